"""So many a second, each key by itself."""

from deplite_apiserver.limits.pace import Pace
from tests.unit.apiserver.clocks import StillClock


def test_in_any_second_so_many_and_no_more() -> None:
    clock = StillClock()
    pace = Pace(2, clock.monotonic)
    assert pace.allows()
    clock.advance(0.5)
    assert [pace.allows() for _ in range(3)] == [True, False, False]
    clock.advance(0.5)  # the first of them is a second ago
    assert [pace.allows() for _ in range(3)] == [True, False, False]
    clock.advance(10)
    assert [pace.allows() for _ in range(3)] == [True, True, False]


def test_one_key_takes_nothing_from_another_however_many_there_are() -> None:
    clock = StillClock()
    pace = Pace(1, clock.monotonic)
    for second in range(3):
        keys = [f"{second} {number}" for number in range(1500)]
        assert all(pace.allows(key) for key in keys)
        assert not any(pace.allows(key) for key in keys)
        clock.advance(1)
