"""The rules of a limiter, in memory and over Redis, where two replicas share the windows."""

import asyncio
from datetime import timedelta

from deplite.resources.limits import RateLimit
from deplite_apiserver.limits.limiter import Reservation
from deplite_apiserver.limits.windows import Exceeded, Quota, quotas
from deplite_apiserver.shared.limiter import RedisLimiter
from deplite_apiserver.shared.link import Link
from tests.kube.shared.conftest import Twins
from tests.unit.apiserver.clocks import StillClock

BOTH = quotas("k", "token", RateLimit(per_minute=3, per_hour=5))
ONE = quotas("k", "token", RateLimit(per_minute=1))


async def test_of_four_hundred_at_once_on_two_replicas_exactly_the_limit_passes(twins: Twins) -> None:
    both = twins.limiters(StillClock())
    ten = quotas("k", "token", RateLimit(per_minute=10))
    outcomes = await asyncio.gather(*(both[number % 2].reserve(ten) for number in range(400)))
    assert sum(isinstance(outcome, Reservation) for outcome in outcomes) == 10


async def test_a_refusal_counts_nothing_in_any_window(twins: Twins) -> None:
    clock = StillClock()
    one, other = twins.limiters(clock)
    for _ in range(3):
        assert isinstance(await one.reserve(BOTH), Reservation)
    for _ in range(20):
        refused = await other.reserve(BOTH)
        assert isinstance(refused, Exceeded)
        assert (refused.quota.window, refused.observed, refused.retry_after) == ("minute", 3, 42)
    clock.advance(42)
    passed = [isinstance(await other.reserve(BOTH), Reservation) for _ in range(3)]
    assert passed == [True, True, False]  # five an hour, of which three were counted


async def test_a_look_counts_nothing(twins: Twins) -> None:
    one, other = twins.limiters(StillClock())
    assert [await one.check(ONE) for _ in range(5)] == [None] * 5
    assert isinstance(await other.reserve(ONE), Reservation)
    exceeded = await one.check(ONE)
    assert exceeded is not None
    assert (exceeded.quota, exceeded.observed) == (ONE[0], 1)


async def test_of_several_exhausted_quotas_the_one_that_ends_last_is_told(twins: Twins) -> None:
    one, other = twins.limiters(StillClock())
    all_three = quotas("k", "token", RateLimit(per_minute=1, per_hour=1, per_day=2))
    assert isinstance(await one.reserve(all_three), Reservation)
    refused = await other.reserve(all_three)
    assert isinstance(refused, Exceeded)
    assert (refused.quota.window, refused.retry_after) == ("hour", 17 * 60 + 42)


async def test_a_use_that_did_not_happen_is_given_back_once(twins: Twins) -> None:
    one, other = twins.limiters(StillClock())
    reservation = await one.reserve(ONE)
    assert isinstance(reservation, Reservation)
    assert isinstance(await other.reserve(ONE), Exceeded)
    await other.give_back(reservation)
    await one.give_back(reservation)
    assert isinstance(await one.reserve(ONE), Reservation)
    assert isinstance(await other.reserve(ONE), Exceeded)


async def test_a_use_given_back_in_a_later_window_frees_none_there(twins: Twins) -> None:
    clock = StillClock()
    one, other = twins.limiters(clock)
    early = await one.reserve(ONE)
    assert isinstance(early, Reservation)
    clock.advance(60)
    assert isinstance(await other.reserve(ONE), Reservation)
    await one.give_back(early)
    assert isinstance(await one.reserve(ONE), Exceeded)


async def test_what_nothing_limits_always_passes(twins: Twins) -> None:
    one, _ = twins.limiters(StillClock())
    nothing = await one.reserve(())
    assert isinstance(nothing, Reservation)
    await one.give_back(nothing)
    assert await one.check(()) is None


async def test_two_quotas_of_one_counter_are_both_counted(twins: Twins) -> None:
    one, other = twins.limiters(StillClock())
    twice = [Quota(key="k", scope=scope, window="minute", limit=2) for scope in ("token", "workflow")]
    assert isinstance(await one.reserve(twice), Reservation)
    refused = await other.reserve(twice)
    assert isinstance(refused, Exceeded)
    assert refused.observed == 2


async def test_a_clock_that_was_put_back_opens_no_window_anew(links: tuple[Link, Link]) -> None:
    clock = StillClock()
    limiter = RedisLimiter(links[0], now=clock.now)
    assert isinstance(await limiter.reserve(ONE), Reservation)
    clock.advance(-60)  # another server took over, and its clock is behind
    assert isinstance(await limiter.reserve(ONE), Exceeded)
    clock.advance(120)
    assert isinstance(await limiter.reserve(ONE), Reservation)


async def test_counters_go_when_nobody_needs_them(links: tuple[Link, Link]) -> None:
    link = links[0]
    await RedisLimiter(link).reserve(quotas("k", "token", RateLimit(per_minute=3, per_hour=5, per_day=9)))
    keys = [key async for key in link.client.scan_iter(match=link.key("window", "*"), count=1000)]
    lives = sorted([await link.client.ttl(key) for key in keys])
    assert len(lives) == 3
    for life, seconds in zip(lives, (60, 3600, 86_400), strict=True):
        assert 0 < life <= seconds + 60


async def test_uses_that_the_cluster_knows_are_seeded_into_the_present_windows(links: tuple[Link, Link]) -> None:
    clock = StillClock()
    limiter = RedisLimiter(links[0], now=clock.now)
    now = clock.now()
    await limiter.reserve(quotas("known", "token", RateLimit(per_day=5)))  # counted already, and not a second time
    uses = [now, now.replace(minute=1), now.replace(hour=1), now - timedelta(days=1)]
    for _ in range(2):
        await limiter.seed({"k": uses, "known": uses[:1]}, now)
    for key, counts in {"k": {"minute": 1, "hour": 2, "day": 3}, "known": {"minute": 1, "day": 1}}.items():
        for window, count in counts.items():
            full = Quota(key=key, scope="token", window=window, limit=count)
            free = Quota(key=key, scope="token", window=window, limit=count + 1)
            exceeded = await limiter.check([full])
            assert exceeded is not None
            assert exceeded.observed == count
            assert await limiter.check([free]) is None


async def test_thousands_of_counters_are_seeded(links: tuple[Link, Link]) -> None:
    clock = StillClock()
    limiter = RedisLimiter(links[0], now=clock.now)
    await limiter.seed({f"k{number}": [clock.now()] for number in range(1700)}, clock.now())
    for number in (0, 499, 500, 1699):
        assert await limiter.check(quotas(f"k{number}", "token", RateLimit(per_day=1))) is not None
