"""Flows of tokens: bursts pass, floods do not, and who waits as long as told is let through."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deplite_apiserver.errors import RateLimitedError
from deplite_apiserver.limits import flow as module
from deplite_apiserver.limits.flow import Flow, Flows
from tests.unit.apiserver.clocks import StillClock

REQUESTS = Flow(scope="requests", rate=2, burst=10)
BYTES = Flow(scope="bytes", rate=100, burst=1000)


def made(clock: StillClock) -> Flows:
    return Flows(clock.monotonic, REQUESTS, BYTES)


def refused(flows: Flows, *amounts: float, caller: str = "a") -> dict[str, Any]:
    with pytest.raises(RateLimitedError) as caught:
        flows.charge(caller, *amounts)
    return caught.value.extra | {"retry_after": caught.value.retry_after}


def test_a_burst_passes_and_what_is_beyond_is_told_when_to_come() -> None:
    clock = StillClock()
    flows = made(clock)
    for _ in range(4):
        flows.charge("a", 1, 250)
    assert refused(flows, 1, 150) == {
        "error": "rate_limited",
        "scope": "bytes",
        "window": "second",
        "limit": 100,
        "observed": 1000,
        "retry_after": 2,
    }
    clock.advance(1)
    assert refused(flows, 1, 150)["retry_after"] == 1
    clock.advance(1)
    flows.charge("a", 1, 150)


def test_each_pace_is_kept() -> None:
    flows = made(StillClock())
    for _ in range(10):
        flows.charge("a", 1, 0)
    found = refused(flows, 1, 0)
    assert (found["scope"], found["limit"], found["observed"], found["retry_after"]) == ("requests", 2, 10, 1)


def test_the_longest_wait_is_told() -> None:
    flows = made(StillClock())
    flows.charge("a", 10, 1000)
    assert (refused(flows, 1, 1000)["scope"], refused(flows, 10, 1)["scope"]) == ("bytes", "requests")


def test_a_refusal_counts_nothing_and_callers_do_not_share() -> None:
    flows = made(StillClock())
    flows.charge("a", 1, 900)
    for _ in range(50):
        refused(flows, 1, 200)
    flows.charge("a", 9, 100)
    flows.charge("b", 10, 1000)


def test_who_is_idle_has_the_whole_burst_again_and_never_more() -> None:
    clock = StillClock()
    flows = made(clock)
    flows.charge("a", 1, 1000)
    clock.advance(3600)
    flows.charge("a", 1, 1000)
    refused(flows, 1, 1)


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(0, 1000)), max_size=60), st.floats(0, 1e6))
def test_no_more_than_the_burst_and_the_rate_ever_passes(sent: list[tuple[float, int]], start: float) -> None:
    clock = StillClock()
    clock.advance(start)
    flows, passed, begun = Flows(clock.monotonic, BYTES), 0, clock.monotonic()
    for wait, amount in sent:
        clock.advance(wait)
        if (told := _told(flows, amount)) is not None:
            assert told >= 1
            clock.advance(told)
            flows.charge("a", amount)  # waiting as long as told is always enough
        passed += amount
        assert passed <= BYTES.burst + BYTES.rate * (clock.monotonic() - begun) + 1


def _told(flows: Flows, amount: int) -> int | None:
    """Charge, and return how long to wait where that was refused."""
    try:
        flows.charge("a", amount)
    except RateLimitedError as error:
        return error.retry_after
    return None


def test_callers_that_are_idle_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PRUNE_AT", 10)
    clock = StillClock()
    flows = made(clock)
    for number in range(10):
        flows.charge(str(number), 1, 1)
    clock.advance(60)
    for number in range(10, 13):
        flows.charge(str(number), 1, 1000)
    assert set(flows._used) == {"10", "11", "12"}
    refused(flows, 1, 1, caller="10")
