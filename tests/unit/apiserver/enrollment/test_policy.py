"""Whether a code may be spent by a key."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deplite.resources import EnrollmentToken
from deplite.resources.resource import utc
from deplite_apiserver.enrollment.policy import Refuse, Repeat, Spend, dies_at, judge

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
        (code(expiresAt=utc(NOW + timedelta(seconds=1))), Spend),
        (code(expiresAt=utc(NOW)), Refuse),
        (code(made_ago=86_400, expiresAt=utc(NOW + timedelta(days=1))), Spend),
        (code(spec_expiresAt=utc(NOW)), Refuse),
    ],
)
def test_a_code_is_judged(found: EnrollmentToken, verdict: type) -> None:
    assert type(judge(found, KEY, NOW)) is verdict


def test_what_was_minted_decides_when_a_code_dies() -> None:
    later, soon = NOW + timedelta(hours=2), NOW + timedelta(minutes=1)
    assert dies_at(code(expiresAt=utc(soon), spec_expiresAt=utc(later))) == soon
    assert dies_at(code(spec_expiresAt=utc(later))) == later
    assert dies_at(code(made_ago=0)) == NOW + timedelta(hours=1)
