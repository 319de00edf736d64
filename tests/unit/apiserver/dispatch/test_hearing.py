"""Silence counts only while we could have heard."""

import pytest

from deplite_apiserver.dispatch.hearing import MAX_DEAF_SECONDS, MAX_PAUSE_SECONDS, TICK_SECONDS, Hearing
from tests.unit.apiserver.clocks import StillClock


def listen(hearing: Hearing, clock: StillClock, seconds: float, *, deaf: float = 0.0) -> None:
    for _ in range(round(seconds / TICK_SECONDS)):
        clock.advance(TICK_SECONDS)
        hearing.tick(deaf)


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def hearing(clock: StillClock) -> Hearing:
    return Hearing(clock.monotonic)


def test_silence_is_the_time_since_the_last_contact(hearing: Hearing, clock: StillClock) -> None:
    listen(hearing, clock, 100)
    contact = clock.monotonic()
    listen(hearing, clock, 50)
    assert hearing.silence(contact) == 50
    assert hearing.silence(None) == 150  # never heard of: since we began to listen


def test_nobody_was_silent_before_we_listened(hearing: Hearing, clock: StillClock) -> None:
    listen(hearing, clock, 10)
    assert hearing.silence(-1e9) == 10


@pytest.mark.parametrize("pause", [MAX_PAUSE_SECONDS + 0.1, 3600.0])
def test_a_process_that_stood_still_begins_anew(hearing: Hearing, clock: StillClock, pause: float) -> None:
    listen(hearing, clock, 200)
    clock.advance(pause)
    assert hearing.silence(None) == 0  # before any tick, too: whoever asks first must not find everybody silent
    hearing.tick(0.0)
    assert hearing.silence(None) == 0
    listen(hearing, clock, 30)
    assert hearing.silence(0.0) == 30


def test_a_short_pause_is_none(hearing: Hearing, clock: StillClock) -> None:
    clock.advance(MAX_PAUSE_SECONDS)
    hearing.tick(0.0)
    assert hearing.silence(None) == MAX_PAUSE_SECONDS


@pytest.mark.parametrize("outage", [1, 600])
def test_while_the_cluster_is_away_nobody_is_silent_and_a_full_grace_follows(
    hearing: Hearing, clock: StillClock, outage: int
) -> None:
    listen(hearing, clock, 100)
    listen(hearing, clock, outage, deaf=MAX_DEAF_SECONDS + 1)
    assert hearing.silence(None) == 0
    listen(hearing, clock, 200)
    assert hearing.silence(5.0) == 200


def test_a_watch_that_is_quiet_for_a_while_is_no_outage(hearing: Hearing, clock: StillClock) -> None:
    listen(hearing, clock, 100, deaf=MAX_DEAF_SECONDS)
    assert hearing.silence(None) == 100
