"""What is kept of a batch that would make a log longer than it may be."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deplite_apiserver.logs.bounds import (
    LAST_BYTES,
    LAST_LINES,
    LAST_PARTS,
    NOTHING,
    OVERLAP_WEIGHT,
    Bounds,
    Extent,
    admit,
)
from deplite_apiserver.logs.lines import decode, encode, line

BOUNDS = Bounds(size=10_000, lines=100, parts=10)


def lines(*seqs: int, stream: str = "raw", content: str = "x" * 50) -> list[dict[str, Any]]:
    return [line(seq=seq, stream=stream, content=content) for seq in seqs]


ONE = len(encode(lines(0)))


def test_a_log_within_its_bounds_is_kept_whole() -> None:
    batch = lines(*range(5))
    found = admit(batch, NOTHING, BOUNDS, cut_at=None)
    assert (found.kept, found.dropped, found.cut) == (batch, 0, None)
    assert decode(found.data) == batch


@pytest.mark.parametrize(
    ("extent", "kept", "words"),
    [
        (Extent(size=BOUNDS.size - 2 * ONE), 2, "10000 bytes"),
        (Extent(size=BOUNDS.size - 2 * ONE - 1), 2, "10000 bytes"),
        (Extent(size=BOUNDS.size), 0, "10000 bytes"),
        (Extent(lines=BOUNDS.lines - 3), 3, "100 lines"),
        (Extent(parts=BOUNDS.parts), 0, "10 uploads that are not merged, "),
    ],
)
def test_the_batch_that_passes_a_bound_is_kept_as_far_as_it_goes(extent: Extent, kept: int, words: str) -> None:
    found = admit(lines(5, 6, 7, 9), extent, BOUNDS, cut_at=None)
    assert [one["seq"] for one in found.kept] == [5, 6, 7, 9][:kept]
    assert found.dropped == 4 - kept
    assert found.cut is not None
    assert (found.cut["seq"], found.cut["stream"], found.cut["level"]) == ([5, 6, 7, 9][kept], "system", "warn")
    assert words in found.cut["content"]


@pytest.mark.parametrize(
    ("overlapping", "crossing", "kept"), [(1, True, 1), (2, False, 0), (1, False, 1), (2, True, 0)]
)
def test_parts_that_lie_over_others_weigh_more_and_the_cut_says_so(overlapping: int, crossing: bool, kept: int) -> None:
    bounds = Bounds(parts=2 * OVERLAP_WEIGHT)
    extent = Extent(parts=overlapping, overlapping=overlapping)
    found = admit(lines(5), extent, bounds, cut_at=None, crossing=crossing)
    assert len(found.kept) == kept
    assert (found.cut is None) is (kept == 1)
    if found.cut is not None:
        assert (
            "40 uploads that are not merged (one that lies over others in its seqs counts for 20), "
            in (found.cut["content"])
        )


def test_about_five_hundred_parts_that_lie_over_one_another_fill_a_log() -> None:
    assert Bounds().parts // OVERLAP_WEIGHT == 500
    extent = NOTHING
    while admit(lines(7), extent, Bounds(), cut_at=None, crossing=extent.parts > 0).kept:
        extent = extent.plus(1, 1, crossing=extent.parts > 0)
    assert extent.parts == 500


def test_a_shorter_line_after_the_cut_does_not_slip_through() -> None:
    batch = [*lines(0, content="x" * 9000), *lines(1, content="x" * 5000), *lines(2, content="")]
    found = admit(batch, NOTHING, BOUNDS, cut_at=None)
    assert (len(found.kept), found.dropped, found.cut and found.cut["seq"]) == (1, 2, 1)
    again = admit(batch[1:], Extent(size=9100, lines=1, parts=1), BOUNDS, cut_at=1)
    assert (again.kept, again.data, again.dropped, again.cut) == ([], b"", 2, None)


def test_output_with_a_lower_seq_that_comes_after_the_cut_is_not_kept_either() -> None:
    found = admit(lines(3), NOTHING, BOUNDS, cut_at=50)
    assert (found.kept, found.dropped, found.cut) == ([], 1, None)


@pytest.mark.parametrize("stream", ["system", "summary"])
def test_a_log_that_was_cut_still_shows_how_its_job_ended(stream: str) -> None:
    full = Extent(size=BOUNDS.size, lines=BOUNDS.lines, parts=BOUNDS.parts)
    last = lines(60, stream=stream)
    assert admit(last, full, BOUNDS, cut_at=50).kept == last
    assert admit(lines(50, stream=stream), full, BOUNDS, cut_at=50).dropped == 1  # that seq is taken by the cut


@pytest.mark.parametrize(
    "extent",
    [
        Extent(size=BOUNDS.size + LAST_BYTES),
        Extent(lines=BOUNDS.lines + LAST_LINES),
        Extent(parts=BOUNDS.parts + LAST_PARTS),
    ],
)
@pytest.mark.parametrize("cut_at", [None, 50])
def test_the_room_for_last_words_is_bounded_too(extent: Extent, cut_at: int | None) -> None:
    found = admit(lines(60, stream="summary"), extent, BOUNDS, cut_at=cut_at)
    assert (found.kept, found.dropped) == ([], 1)
    assert (found.cut is not None) is (cut_at is None), "what is left out is always said, and once"


batches = st.lists(
    st.lists(st.tuples(st.integers(0, 300), st.sampled_from(["raw", "summary"]), st.integers(0, 3000)), max_size=20),
    max_size=40,
)


@given(batches)
def test_whatever_comes_a_log_stays_within_bounds_and_says_what_it_leaves_out(
    sent: list[list[tuple[int, str, int]]],
) -> None:
    extent, known, cut_at, cuts = NOTHING, set[int](), None, 0
    dropped = 0
    for batch in sent:
        fresh = {seq: line(seq=seq, stream=stream, content="x" * size) for seq, stream, size in batch}
        ordered = [fresh[seq] for seq in sorted(fresh) if seq not in known]
        found = admit(ordered, extent, BOUNDS, cut_at=cut_at)
        assert len(found.kept) + found.dropped == len(ordered)
        known |= {one["seq"] for one in found.kept}
        if found.kept:
            extent = extent.plus(len(found.data), len(found.kept))
        if found.cut is not None:
            cut_at, cuts = found.cut["seq"], cuts + 1
        dropped += found.dropped
        assert cut_at not in known
    assert extent.size <= BOUNDS.size + LAST_BYTES
    assert extent.lines <= BOUNDS.lines + LAST_LINES
    assert cuts == (1 if dropped else 0)
