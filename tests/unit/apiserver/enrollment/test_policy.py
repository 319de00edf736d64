"""Whether a code may be spent by a key."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deplite.resources import EnrollmentToken
from deplite.resources.resource import utc
from deplite_apiserver.enrollment.policy import Refuse, Repeat, Spend, judge

NOW = datetime(2026, 5, 31, 12, tzinfo=UTC)
KEY, OTHER = "a" * 64, "b" * 64


def use(key: str, seconds_ago: int) -> dict[str, Any]:
    return {"agent": "web", "publicKeySha256": key, "at": utc(NOW - timedelta(seconds=seconds_ago))}


def code(*used: dict[str, Any], made_ago: int = 60, **status: Any) -> EnrollmentToken:
    made = utc(NOW - timedelta(seconds=made_ago))
    spec = {key: status.pop(key) for key in ("uses",) if key in status}
    body = {
        "metadata": {"name": "c", "namespace": "org-x", "creationTimestamp": made},
        "spec": spec | {key[5:]: value for key, value in status.items() if key.startswith("spec_")},
        "status": {"usedBy": list(used)} | {key: value for key, value in status.items() if not key.startswith("spec_")},
    }
    return EnrollmentToken.model_validate(body)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (code(), Spend),
        (code(use(OTHER, 1)), Refuse),
        (code(use(OTHER, 1), uses=2), Spend),
        (code(use(KEY, 0)), Repeat),
        (code(use(KEY, 600)), Repeat),
        (code(use(KEY, 601)), Refuse),
        (code(use(KEY, 601), uses=5), Refuse),
        (code(use(OTHER, 1), use(KEY, 1), uses=2), Repeat),
        (code(made_ago=3599), Spend),
        (code(made_ago=3600), Refuse),
        (code(use(KEY, 1), made_ago=3601), Repeat),
        (code(spec_mintedBy="api", expiresAt=utc(NOW + timedelta(seconds=1))), Spend),
        (code(spec_mintedBy="api", expiresAt=utc(NOW)), Refuse),
        (code(spec_mintedBy="api", made_ago=86_400, expiresAt=utc(NOW + timedelta(days=1))), Spend),
        (code(spec_expiresAt=utc(NOW)), Refuse),
        (code(expiresAt=utc(NOW + timedelta(days=1)), spec_expiresAt=utc(NOW)), Refuse),
    ],
)
def test_a_code_is_judged(found: EnrollmentToken, verdict: type) -> None:
    assert type(judge(found, KEY, NOW)) is verdict


def test_when_a_code_dies() -> None:
    later, soon = NOW + timedelta(hours=2), NOW + timedelta(minutes=1)
    for one, other in ((soon, later), (later, soon)):  # of a code of the API neither may be outlived
        assert code(spec_mintedBy="api", expiresAt=utc(one), spec_expiresAt=utc(other)).dies_at == soon
        assert code(expiresAt=utc(one), spec_expiresAt=utc(other)).dies_at == other  # what the spec says, at once
    assert code(spec_expiresAt=utc(later)).dies_at == later
    assert code(made_ago=0).dies_at == NOW + timedelta(hours=1)
