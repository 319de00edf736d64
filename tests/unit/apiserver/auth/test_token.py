"""Whether an API token is good now, and from there."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deplite.resources import ApiToken
from deplite.resources.resource import utc
from deplite_apiserver.auth.credentials import Bearer
from deplite_apiserver.auth.token import address_allowed, token_good

NOW = datetime(2026, 5, 31, 12, tzinfo=UTC)
HASH, OLD, OTHER = "a" * 64, "b" * 64, "c" * 64


def token(hashes: Any = None, *, deleted: bool = False, **spec: Any) -> ApiToken:
    metadata = {"name": "t", "namespace": "org-x"} | ({"deletionTimestamp": utc(NOW)} if deleted else {})
    known = [{"sha256": HASH, "prefix": "tk_a"}] if hashes is None else hashes
    body = {"grants": [{"type": "trigger", "triggers": ["x"]}]} | spec
    return ApiToken.model_validate({"metadata": metadata, "spec": body, "status": {"hashes": known}})


def old(seconds: int) -> list[dict[str, Any]]:
    until = utc(NOW + timedelta(seconds=seconds))
    return [{"sha256": OLD, "prefix": "tk_b", "notAfter": until}, {"sha256": HASH, "prefix": "tk_a"}]


@pytest.mark.parametrize(
    ("found", "sha256", "good"),
    [
        (token(), HASH, True),
        (token(), OTHER, False),
        (token([]), HASH, False),
        (token(deleted=True), HASH, False),
        (token(expiresAt=utc(NOW + timedelta(seconds=1))), HASH, True),
        (token(expiresAt=utc(NOW)), HASH, False),
        (token(old(1)), OLD, True),
        (token(old(0)), OLD, False),
        (token(old(0)), HASH, True),
    ],
)
def test_a_token_is_good_while_all_of_it_is(found: ApiToken, sha256: str, good: bool) -> None:
    assert token_good(found, sha256, NOW) is good


@pytest.mark.parametrize(
    ("networks", "address", "allowed"),
    [
        ([], "203.0.113.9", True),
        ([], "", True),
        (["203.0.113.0/24"], "203.0.113.9", True),
        (["203.0.113.0/24"], "203.0.114.9", False),
        (["203.0.113.9"], "203.0.113.9", True),
        (["203.0.113.1/24"], "203.0.113.9", True),
        (["203.0.113.0/24"], "::ffff:203.0.113.9", True),
        (["2001:db8::/32"], "2001:db8::1", True),
        (["2001:db8::/32"], "203.0.113.9", False),
        (["0.0.0.0/0"], "2001:db8::1", False),
        (["203.0.113.0/24"], "", False),
        (["203.0.113.0/24"], "unix:", False),
    ],
)
def test_a_token_may_come_from_its_networks(networks: list[str], address: str, allowed: bool) -> None:
    assert address_allowed(token(allowedCIDRs=networks), address) is allowed


def test_a_bearer_does_not_show_its_text() -> None:
    assert "secret" not in repr(Bearer(kind="jwt", text="secret"))
