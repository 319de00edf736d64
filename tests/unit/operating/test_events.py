"""What is worth an Event, of a status before and after a write of ours."""

from typing import Any

from deplite.resources import ApiToken, EnrollmentToken, Resource
from deplite_operator.policies.events import agent_removed, events_of
from tests.unit.operating.builders import HASH, NOW, code, pool, pool_agent, token

OTHER = "1" * 64


def stalled(reason: str, message: str = "m") -> dict[str, Any]:
    moment = {"lastTransitionTime": "2026-06-01T12:00:00Z"}
    return {"conditions": [{"type": "Stalled", "status": "True", "reason": reason, "message": message} | moment]}


def told(before: Resource, after: Resource) -> list[tuple[bool, str, str | None]]:
    return [(event.warning, event.reason, event.key) for event in events_of(before, after, NOW)]


def minted(sha256: str) -> ApiToken:
    return token(status={"hashes": [{"sha256": sha256, "prefix": "tk_abcdef"}]})


def test_what_stalls_is_told_when_it_begins_and_when_it_is_something_else() -> None:
    at_rest, expired, conflict = token(), token(status=stalled("Expired")), token(status=stalled("NotMinted"))
    assert told(at_rest, expired) == [(True, "Expired", "u Expired m")]
    assert told(expired, conflict) == [(True, "NotMinted", "u NotMinted m")]
    assert told(expired, expired) == []
    assert told(expired, at_rest) == []


def test_a_credential_is_told_once_by_its_public_beginning() -> None:
    assert told(token(), minted(HASH)) == [(False, "Minted", f"u {HASH}")]
    assert told(minted(HASH), minted(OTHER)) == [(False, "Minted", f"u {OTHER}")]
    assert told(minted(HASH), minted(HASH)) == []
    (event,) = events_of(token(), minted(HASH), NOW)
    assert event.message == "Secret s holds the token tk_abcdef…."


def test_so_is_a_code() -> None:
    fresh: EnrollmentToken = code(status={"hash": HASH, "prefix": "enr_abcdef"})
    (event,) = events_of(code(), fresh, NOW)
    assert (event.reason, event.message) == ("Minted", "Secret s holds the code enr_abcdef….")


def test_an_agent_that_was_removed_is_told_once() -> None:
    first, again = (agent_removed(pool(), pool_agent("n3"), NOW) for _ in range(2))
    assert first.key == again.key
    assert first.message == "Agent linux.n3 was deleted: for more than 900 s its node has had no pod of the pool."
