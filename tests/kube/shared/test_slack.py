"""What replicas remember of Slack together: events, commands and states; in memory, and over Redis at either of two."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from deplite_apiserver.errors import InvalidStateError, UnavailableError
from deplite_apiserver.shared.link import Link
from deplite_apiserver.shared.once import RedisOnce
from deplite_apiserver.slack.seen import KEEP_SECONDS, Seen
from deplite_apiserver.slack.state import LIFETIME, Claim, States
from tests.kube.shared.conftest import Twins, link_to
from tests.unit.apiserver.clocks import StillClock
from tests.valkey import Valkey

KEY = b"k" * 32


def issued(states: States) -> Claim:
    return states.read(states.issue("org-acme", "https://issuer.test", "mika")[0])


@pytest.fixture
def seen(twins: Twins, clock: StillClock) -> tuple[Seen, Seen]:
    one, other = twins.once(clock.monotonic)
    return Seen(one), Seen(other)


@pytest.fixture
def states(twins: Twins, clock: StillClock) -> tuple[States, States]:
    one, other = twins.once(clock.monotonic)
    return States(KEY, clock.now, one), States(KEY, clock.now, other)


@pytest.fixture
def clock() -> StillClock:
    return StillClock(datetime(2026, 5, 31, 13, 42, tzinfo=UTC))


async def test_an_event_is_dealt_with_once_it_has_its_answer(seen: tuple[Seen, Seen]) -> None:
    one, other = seen
    assert not await other.dealt_with("Ev1")
    assert not await one.dealt_with("Ev1")  # whoever only began may have died
    await one.done("Ev1")
    await one.done("Ev1")
    assert await other.dealt_with("Ev1")
    assert await one.dealt_with("Ev1")
    assert not await other.dealt_with("Ev2")


async def test_a_command_is_new_once_for_who_gave_it(seen: tuple[Seen, Seen]) -> None:
    one, other = seen
    assert await one.first("cancel", "T1/U1", "1.2.3")
    assert not await other.first("cancel", "T1/U1", "1.2.3")
    assert await other.first("rerun", "T1/U1", "1.2.3")
    assert await other.first("cancel", "T1/U2", "1.2.3")
    assert await other.first("cancel", "T1/U1", "1.2.4")
    assert not await one.dealt_with("1.2.3")  # an event is no command


async def test_of_a_command_that_comes_many_times_at_once_one_is_new(seen: tuple[Seen, Seen]) -> None:
    outcomes = await asyncio.gather(*(seen[number % 2].first("cancel", "T1/U1", "k") for number in range(8)))
    assert sum(outcomes) == 1


async def test_a_state_is_good_once_unless_it_is_given_back(states: tuple[States, States]) -> None:
    one, other = states
    claim = issued(one)
    await one.spend(claim)
    for any_of_them in states:
        with pytest.raises(InvalidStateError, match="used already"):
            await any_of_them.spend(claim)
    await one.give_back(claim)
    await other.spend(claim)
    with pytest.raises(InvalidStateError):
        await one.spend(claim)
    await one.spend(issued(other))  # another one of the same member


async def test_what_is_spent_is_remembered_for_as_long_as_it_is_good(
    states: tuple[States, States], clock: StillClock
) -> None:
    one, other = states
    claim = issued(one)
    await one.spend(claim)
    clock.advance((LIFETIME - timedelta(seconds=1)).total_seconds())
    with pytest.raises(InvalidStateError):
        await other.spend(claim)


async def test_redis_forgets_all_of_it_in_time(links: tuple[Link, Link], clock: StillClock) -> None:
    link, _ = links
    once, states = RedisOnce(link), States(KEY, clock.now, RedisOnce(link))
    await Seen(once).done("Ev1")
    await Seen(once).first("cancel", "T1/U1", "1.2.3")
    claim = issued(states)
    await states.spend(claim)
    for kind, key, seconds in (
        ("slack-event", "Ev1", KEEP_SECONDS),
        ("slack-command", "cancel T1/U1 1.2.3", KEEP_SECONDS),
        ("slack-state", claim.sha256, 2 * LIFETIME.total_seconds()),
    ):
        assert seconds - 60 < await link.client.ttl(link.key("once", kind, key)) <= seconds


@pytest_asyncio.fixture
async def cut_off(mortal: Valkey, installation: str) -> AsyncIterator[Link]:
    made = link_to(mortal, installation)
    await mortal.kill()
    yield made
    await made.close()


async def test_while_redis_is_away_events_count_as_new_and_all_else_as_unknown(
    cut_off: Link, clock: StillClock
) -> None:
    seen, states = Seen(RedisOnce(cut_off)), States(KEY, clock.now, RedisOnce(cut_off))
    await seen.done("Ev1")
    assert not await seen.dealt_with("Ev1")
    with pytest.raises(UnavailableError):
        await seen.first("cancel", "T1/U1", "1.2.3")
    claim = issued(states)
    with pytest.raises(UnavailableError):
        await states.spend(claim)
    await states.give_back(claim)
