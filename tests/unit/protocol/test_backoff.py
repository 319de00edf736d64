"""Waits between tries grow, stay within their bounds, and differ."""

import pytest

from deplite.protocol.backoff import Backoff


@pytest.mark.parametrize(("first", "most"), [(0.2, 10.0), (1.0, 1.0), (5.0, 1.0), (0.001, 3600.0)])
def test_every_wait_is_between_half_and_the_whole_of_its_ceiling(first: float, most: float) -> None:
    backoff = Backoff(first=first, most=most)
    for tries in range(200):
        ceiling = min(most, first * 2**tries)
        assert ceiling / 2 <= backoff.next() <= ceiling


def test_waits_stay_finite_for_ever() -> None:
    backoff = Backoff(tries=10**6)
    assert 5 <= backoff.next() <= 10


def test_a_success_begins_anew() -> None:
    backoff = Backoff(first=1.0, most=100.0)
    for _ in range(10):
        backoff.next()
    backoff.reset()
    assert 0.5 <= backoff.next() <= 1.0


def test_many_clients_do_not_come_back_together() -> None:
    waits = sorted(Backoff(first=8.0).next() for _ in range(1000))
    assert waits[250] < 6 < waits[750]
    assert waits[0] < 4.5
    assert waits[-1] > 7.5
