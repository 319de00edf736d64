"""The limiter over Redis beside the one in memory, step by step: whatever happens, both answer the same."""

import asyncio
import secrets
from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from deplite.resources.limits import RateLimit
from deplite_apiserver.limits.limiter import Reservation
from deplite_apiserver.limits.memory import MemoryLimiter
from deplite_apiserver.limits.windows import Quota, quotas
from deplite_apiserver.shared.limiter import RedisLimiter
from tests.kube.shared.conftest import link_to, mark
from tests.unit.apiserver.clocks import StillClock
from tests.valkey import Valkey

LIMITS = {
    "ci": quotas("ci", "token", RateLimit(per_minute=2, per_hour=5, per_day=9)),
    "dashboard": quotas("dashboard", "token", RateLimit(per_hour=3)),
    "workflow": quotas("workflow", "workflow", RateLimit(per_minute=3)),
}
CALLS = [("ci",), ("dashboard",), ("ci", "workflow"), ("dashboard", "workflow"), ("workflow",)]
Found = TypeVar("Found")


class Windows(RuleBasedStateMachine):
    """One clock, a limiter in memory, and two replicas' limiters over one Redis."""

    def __init__(self, valkey: Valkey) -> None:
        super().__init__()
        self.clock, self.loop = StillClock(), asyncio.new_event_loop()
        self.memory = MemoryLimiter(self.clock)
        installation = secrets.token_hex(6)
        self.links = [link_to(valkey, installation) for _ in range(2)]
        self.replicas = [RedisLimiter(link, now=self.clock.now) for link in self.links]
        self.done(mark(self.links[0]))
        self.reserved: list[tuple[Reservation, Reservation]] = []

    def done(self, work: Coroutine[Any, Any, Found]) -> Found:
        return self.loop.run_until_complete(work)

    def asked(self, keys: tuple[str, ...]) -> list[Quota]:
        return [quota for key in keys for quota in LIMITS[key]]

    @rule(keys=st.sampled_from(CALLS), replica=st.integers(0, 1))
    def somebody_calls(self, keys: tuple[str, ...], replica: int) -> None:
        expected = self.done(self.memory.reserve(self.asked(keys)))
        outcome = self.done(self.replicas[replica].reserve(self.asked(keys)))
        if isinstance(expected, Reservation):
            assert isinstance(outcome, Reservation)
            assert outcome.counted == expected.counted
            self.reserved.append((expected, outcome))
        else:
            assert outcome == expected

    @rule(keys=st.sampled_from(CALLS), replica=st.integers(0, 1))
    def somebody_looks(self, keys: tuple[str, ...], replica: int) -> None:
        expected = self.done(self.memory.check(self.asked(keys)))
        assert self.done(self.replicas[replica].check(self.asked(keys))) == expected

    @rule(data=st.data(), replica=st.integers(0, 1))
    def a_use_did_not_happen(self, data: Any, replica: int) -> None:
        if self.reserved:
            expected, outcome = self.reserved.pop(data.draw(st.integers(0, len(self.reserved) - 1)))
            self.done(self.memory.give_back(expected))
            self.done(self.replicas[replica].give_back(outcome))

    @rule(seconds=st.sampled_from([0.001, 1, 17, 41.5, 60, 1800, 3600, 40_000, 86_400]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def teardown(self) -> None:
        for link in self.links:
            self.done(link.close())
        self.loop.close()


def test_both_answer_the_same(valkey: Valkey) -> None:
    run_state_machine_as_test(
        lambda: Windows(valkey), settings=settings(max_examples=60, stateful_step_count=40, deadline=None)
    )
