"""Events of one object: a burst, then one now and then; whatever one does, another has its own."""

from deplite_operator.policies.allowance import BURST, EVERY, OBJECTS, Allowance


def test_an_object_gets_a_burst_and_then_one_at_a_time() -> None:
    now = 1000.0
    allowance = Allowance(lambda: now)
    assert [allowance.take("a") for _ in range(BURST + 3)] == [True] * BURST + [False] * 3
    assert allowance.take("b")
    now += EVERY - 1
    assert not allowance.take("a")
    now += 1
    assert [allowance.take("a") for _ in range(2)] == [True, False]
    now += BURST * EVERY
    assert [allowance.take("a") for _ in range(BURST + 1)] == [True] * BURST + [False]


def test_no_more_than_so_many_objects_are_remembered() -> None:
    allowance = Allowance(lambda: 0.0)
    for number in range(OBJECTS + 9):
        assert allowance.take(str(number))
    assert len(allowance) == OBJECTS
