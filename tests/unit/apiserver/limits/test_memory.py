"""The counters of a single replica."""

import asyncio

from deplite.resources.limits import RateLimit
from deplite_apiserver.limits.limiter import Reservation
from deplite_apiserver.limits.memory import _PRUNE_AT, MemoryLimiter
from deplite_apiserver.limits.windows import Exceeded, Quota, quotas
from tests.unit.apiserver.clocks import StillClock

BOTH = quotas("k", "token", RateLimit(per_minute=3, per_hour=5))


async def test_of_four_hundred_at_once_exactly_the_limit_passes() -> None:
    limiter = MemoryLimiter(StillClock())
    ten = quotas("k", "token", RateLimit(per_minute=10))
    outcomes = await asyncio.gather(*(limiter.reserve(ten) for _ in range(400)))
    assert sum(isinstance(outcome, Reservation) for outcome in outcomes) == 10


async def test_a_refusal_counts_nothing_in_any_window() -> None:
    clock = StillClock()
    limiter = MemoryLimiter(clock)
    for _ in range(3):
        assert isinstance(await limiter.reserve(BOTH), Reservation)
    for _ in range(20):
        refused = await limiter.reserve(BOTH)
        assert isinstance(refused, Exceeded)
        assert (refused.quota.window, refused.observed) == ("minute", 3)
    clock.advance(42)
    passed = [isinstance(await limiter.reserve(BOTH), Reservation) for _ in range(3)]
    assert passed == [True, True, False]  # five an hour, of which three were counted


async def test_a_use_that_did_not_happen_is_given_back_once() -> None:
    limiter = MemoryLimiter(StillClock())
    one = quotas("k", "token", RateLimit(per_minute=1))
    reservation = await limiter.reserve(one)
    assert isinstance(reservation, Reservation)
    assert isinstance(await limiter.reserve(one), Exceeded)
    await limiter.give_back(reservation)
    await limiter.give_back(reservation)
    assert isinstance(await limiter.reserve(one), Reservation)
    assert isinstance(await limiter.reserve(one), Exceeded)


async def test_a_use_given_back_in_a_later_window_frees_none_there() -> None:
    clock = StillClock()
    limiter = MemoryLimiter(clock)
    one = quotas("k", "token", RateLimit(per_minute=1))
    early = await limiter.reserve(one)
    assert isinstance(early, Reservation)
    clock.advance(60)
    assert isinstance(await limiter.reserve(one), Reservation)
    await limiter.give_back(early)
    assert isinstance(await limiter.reserve(one), Exceeded)


async def test_uses_before_the_start_are_seeded_into_their_windows() -> None:
    clock = StillClock()
    limiter = MemoryLimiter(clock)
    limiter.seed("k", clock.now())
    limiter.seed("k", clock.now().replace(minute=1))
    limiter.seed("k", clock.now().replace(hour=1))
    limits = {"minute": 1, "hour": 2, "day": 3}
    for window, limit in limits.items():
        full = Quota(key="k", scope="token", window=window, limit=limit)
        free = Quota(key="k", scope="token", window=window, limit=limit + 1)
        assert isinstance(await limiter.reserve([full]), Exceeded)
        reserved = await limiter.reserve([free])
        assert isinstance(reserved, Reservation)
        await limiter.give_back(reserved)


async def test_keys_are_apart_and_old_ones_are_forgotten() -> None:
    clock = StillClock()
    limiter = MemoryLimiter(clock)
    for number in range(_PRUNE_AT):
        assert isinstance(await limiter.reserve(quotas(f"k{number}", "token", RateLimit(per_minute=1))), Reservation)
    clock.advance(60)
    assert isinstance(await limiter.reserve(quotas("k", "token", RateLimit(per_minute=1))), Reservation)
    assert len(limiter._counts) == 1
