"""How long uploads wait for a store that is away."""

import pytest

from deplite_agent.artifacts.patience import Patience
from deplite_agent.errors import AwayError, StorageAwayError

STORE = StorageAwayError("The storage answers 503.")
SERVER = AwayError("The server does not answer: ConnectError.")


class Clock:
    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def patience(clock: Clock) -> Patience:
    return Patience(900, clock)


def test_it_ends_once_the_store_was_away_for_so_long(patience: Patience, clock: Clock) -> None:
    patience.spend(STORE)
    clock.at += 899
    patience.spend(STORE)
    clock.at += 1
    with pytest.raises(StorageAwayError, match="503"):
        patience.spend(STORE)


def test_whatever_the_store_takes_begins_it_anew(patience: Patience, clock: Clock) -> None:
    patience.spend(STORE)
    clock.at += 899
    patience.progress()
    clock.at += 899
    patience.spend(STORE)
    clock.at += 899
    patience.spend(STORE)


def test_a_server_that_is_away_counts_for_nothing(patience: Patience, clock: Clock) -> None:
    patience.spend(STORE)
    clock.at += 10_000
    patience.spend(SERVER)
    clock.at += 10_000
    patience.spend(STORE)
    clock.at += 899
    patience.spend(STORE)
