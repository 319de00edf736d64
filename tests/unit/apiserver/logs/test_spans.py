"""Stretches of seqs that parts lie over: never fewer overlaps than there are, and few numbers however many parts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deplite_apiserver.logs.spans import Spans

MOST = 2**63 - 1


@pytest.mark.parametrize(
    ("stretches", "overlapping", "kept"),
    [
        pytest.param([(10 * n, 10 * n + 9) for n in range(100)], 0, 1, id="in order"),
        pytest.param([(10 * n, 10 * n + 9) for n in reversed(range(100))], 0, 1, id="backwards"),
        pytest.param([(20 * n, 20 * n + 9) for n in range(50)], 0, 50, id="with gaps"),
        pytest.param([(n, 2**62 + n) for n in range(100)], 99, 1, id="all over one another"),
        pytest.param([(0, MOST), *((n, n) for n in range(1, 50))], 49, 1, id="one over all"),
        pytest.param([*((2 * n, 2 * n) for n in range(50)), (0, MOST)], 1, 1, id="one over all, last"),
        pytest.param([(0, 9), (0, 14), (15, 20)], 1, 1, id="one again, and more"),
    ],
)
def test_overlaps(stretches: list[tuple[int, int]], overlapping: int, kept: int) -> None:
    spans = Spans(stretches)
    assert (spans.overlapping, len(spans)) == (overlapping, kept)


def test_a_log_that_makes_stretches_forgotten_hides_no_overlap() -> None:
    high = [(2**40 + 10 * n, 2**40 + 10 * n) for n in range(10)]
    spans = Spans([*high, *((n, 1000 + n) for n in range(50))], most=10)
    assert spans.overlapping >= 49
    assert len(spans) == 10


pairs = st.tuples(st.integers(0, 60), st.integers(0, 8)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(st.lists(pairs, max_size=40), st.integers(1, 60))
def test_against_a_set(stretches: list[tuple[int, int]], most: int) -> None:
    spans, taken, exact = Spans(most=most), set[int](), 0
    for first, last in stretches:
        seqs = set(range(first, last + 1))
        assert spans.cross(first, last) >= bool(seqs & taken)
        if most == 60:
            assert spans.cross(first, last) == bool(seqs & taken)
        exact += bool(seqs & taken)
        spans.add(first, last)
        taken |= seqs
        assert len(spans) <= most
    assert spans.overlapping >= exact
