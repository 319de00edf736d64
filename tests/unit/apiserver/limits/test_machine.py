"""The limiter against a list of what it let through: never one too many, never one too few."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from deplite.resources.limits import RateLimit
from deplite_apiserver.limits.limiter import Reservation
from deplite_apiserver.limits.memory import MemoryLimiter
from deplite_apiserver.limits.windows import WINDOW_SECONDS, Exceeded, Quota, quotas
from tests.unit.apiserver.clocks import StillClock
from tests.unit.apiserver.settling import settled

LIMITS = {
    "ci": quotas("ci", "token", RateLimit(per_minute=2, per_hour=5, per_day=9)),
    "dashboard": quotas("dashboard", "token", RateLimit(per_hour=3)),
    "workflow": quotas("workflow", "workflow", RateLimit(per_minute=3)),
}
CALLS = [("ci",), ("dashboard",), ("ci", "workflow"), ("dashboard", "workflow"), ("workflow",)]


class Windows(RuleBasedStateMachine):
    """Uses by key and moment, as a list."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = StillClock()
        self.limiter = MemoryLimiter(self.clock)
        self.uses: list[tuple[str, float]] = []
        self.reserved: list[tuple[Reservation, list[tuple[str, float]]]] = []

    def counted(self, quota: Quota) -> int:
        seconds = WINDOW_SECONDS[quota.window]
        start = self.clock.now().timestamp() // seconds * seconds
        return sum(key == quota.key and start <= at < start + seconds for key, at in self.uses)

    @rule(keys=st.sampled_from(CALLS))
    def somebody_calls(self, keys: tuple[str, ...]) -> None:
        checked = [quota for key in keys for quota in LIMITS[key]]
        full = [quota for quota in checked if self.counted(quota) >= quota.limit]
        outcome = settled(self.limiter.reserve(checked))
        assert isinstance(outcome, Exceeded) is bool(full)
        if isinstance(outcome, Exceeded):
            assert outcome.quota in full
            assert outcome.observed == self.counted(outcome.quota)
            assert outcome.retry_after == max(quota.seconds_left(self.clock.now()) for quota in full)
        else:
            # a quota of three windows counts each use once in each of them
            uses = [(key, self.clock.now().timestamp()) for key in keys]
            self.uses += uses
            self.reserved.append((outcome, uses))

    @rule(data=st.data())
    def a_use_did_not_happen(self, data: Any) -> None:
        if self.reserved:
            index = data.draw(st.integers(0, len(self.reserved) - 1))
            reservation, uses = self.reserved.pop(index)
            settled(self.limiter.give_back(reservation))
            for use in uses:
                self.uses.remove(use)

    @rule(seconds=st.sampled_from([0.001, 1, 17, 41.5, 60, 1800, 3600, 40_000, 86_400]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def the_process_starts_anew(self) -> None:
        self.limiter = MemoryLimiter(self.clock)
        for key, at in self.uses:
            self.limiter.seed(key, self.clock.now().fromtimestamp(at, self.clock.now().tzinfo))

    @invariant()
    def no_window_holds_more_than_its_limit(self) -> None:
        for checked in LIMITS.values():
            assert all(self.counted(quota) <= quota.limit for quota in checked)


TestWindows = Windows.TestCase
TestWindows.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
