"""Buttons that were just pressed."""

from deplite_apiserver.slack import presses
from deplite_apiserver.slack.presses import HOLD_SECONDS, Presses


class Moving:
    at = 0.0

    def now(self) -> float:
        return self.at


def test_the_second_press_within_a_minute_meets_the_first() -> None:
    clock = Moving()
    found = Presses(clock.now)
    assert found.earlier("card") is None
    clock.at = HOLD_SECONDS - 1
    earlier = found.earlier("card")
    assert earlier is not None
    assert earlier.started is None
    found.started("card", "j-x")
    assert earlier.started == "j-x"
    clock.at = HOLD_SECONDS
    assert found.earlier("card") is None


def test_a_press_that_started_nothing_does_not_count() -> None:
    found = Presses(Moving().now)
    assert found.earlier("card") is None
    found.forget("card")
    found.started("card", "j-x")
    assert found.earlier("card") is None


def test_they_are_bounded() -> None:
    found = Presses(Moving().now)
    for number in range(presses.MOST + 5):
        assert found.earlier(str(number)) is None
    assert found.earlier(str(presses.MOST + 4)) is not None
    assert found.earlier("0") is None, "the oldest went first"
