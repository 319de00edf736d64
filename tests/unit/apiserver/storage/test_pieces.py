"""Where the lines of a log lie."""

from datetime import UTC, datetime, timedelta

import pytest

from deplite_apiserver.logs.bounds import Extent
from deplite_apiserver.logs.lines import encode, line
from deplite_apiserver.storage.objects import StorageUnavailableError, Stored
from deplite_apiserver.storage.pieces import (
    Index,
    LogName,
    Piece,
    cut_key,
    cuts_of,
    extent_of,
    index_of,
    part_key,
    parts_of,
    reading,
    spans_of,
)

NAME = LogName(organization="org-a", storage_key="j-x-0a1b2c3d")
AT = datetime(2026, 5, 31, 12, tzinfo=UTC)
MOST = 2**63 - 1
LEAST = len(encode([line(seq=0, stream="raw", content="")]))


def stored(key: str) -> Stored:
    return Stored(key=key, size=1, modified_at=AT)


def test_the_same_bytes_have_the_same_key_and_others_another() -> None:
    key = part_key(NAME, 0, 9, b"one")
    assert key == part_key(NAME, 0, 9, b"one") == f"{NAME.prefix}p/{0:019d}-{9:019d}-7692c3ad3540bb80"
    assert key != part_key(NAME, 0, 9, b"two")


@pytest.mark.parametrize(("first", "last"), [(0, 0), (0, MOST), (MOST, MOST), (7, 123_456_789)])
def test_a_key_tells_which_seqs_it_holds_and_keys_sort_as_they_do(first: int, last: int) -> None:
    [piece] = parts_of([stored(part_key(NAME, first, last, b"x"))])
    assert (piece.first, piece.last, piece.length) == (first, last, 0)
    assert part_key(NAME, 99, 99, b"x") < part_key(NAME, 100, 100, b"x")


@pytest.mark.parametrize(
    "key",
    ["index.json", "m/0123456789abcdef.ndjson.gz", "p/1-2-0123456789abcdef", f"p/{0:019d}-{9:019d}-xyz", "p/", "x"],
)
def test_what_is_no_part_is_none(key: str) -> None:
    assert parts_of([stored(NAME.prefix + key)]) == []


@pytest.mark.parametrize(
    "index",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"objects":["x"]}',
        b'{"objects":["x"],"size":1,"lines":1,"chunks":[[1,2]]}',
        b'{"objects":["x"],"size":1,"lines":1,"chunks":[[1,2,0,9,1]]}',
        b'{"objects":["x"],"size":null,"lines":1,"chunks":[]}',
        b"\xff",
        b"3",
    ],
)
def test_a_damaged_index_is_no_empty_log(index: bytes) -> None:
    with pytest.raises(StorageUnavailableError):
        index_of(index)
    assert index_of(None) == Index()


def part(first: int, last: int, size: int, key: bytes = b"x") -> Stored:
    return Stored(key=part_key(NAME, first, last, key), size=size, modified_at=AT)


def test_where_a_log_was_cut_is_in_a_key_and_no_part() -> None:
    cut = line(seq=7, stream="system", content="cut")
    found = stored(cut_key(NAME, cut))
    assert parts_of([found]) == []
    [piece] = cuts_of([found, part(0, 6, 100)])
    assert (piece.first, piece.last) == (7, 7)
    assert piece.decode(encode([cut])) == [cut]


def test_how_long_a_log_is_is_told_by_keys_and_sizes() -> None:
    parts = parts_of([part(0, 9, 1000), part(10, 2**62, 200)])
    assert extent_of(Index(), parts, spans_of(parts)) == Extent(size=1200, lines=10 + 200 // LEAST, parts=2)


def test_parts_that_are_merged_and_not_yet_deleted_count_once() -> None:
    chunks = [Piece(first=0, last=4, key="m", length=1), Piece(first=5, last=9, key="m", length=1)]
    index = Index(chunks=chunks, extent=Extent(size=900, lines=10))
    parts = parts_of([part(0, 6, 500), part(7, 9, 400), part(8, 10, 300)])
    assert extent_of(index, parts, spans_of(parts)) == Extent(size=1200, lines=13, parts=3, overlapping=1)


def test_what_parts_lie_over_is_told_in_the_order_in_which_they_came() -> None:
    late = Stored(key=part_key(NAME, 0, 100, b"x"), size=1, modified_at=AT + timedelta(seconds=1))
    early = [part(10 * n, 10 * n + 9, 1) for n in range(10)]
    assert spans_of(parts_of([late, *early])).overlapping == 1


@pytest.mark.parametrize(
    ("pieces", "bytes_read"),
    [
        pytest.param([], 0, id="nothing"),
        pytest.param([(10 * n, 10 * n + 9, 50) for n in range(100)], 5000, id="in order"),
        pytest.param([(10 * n, 10 * n + 9, 50) for n in range(100)] * 2, 10_000, id="each twice"),
        pytest.param([(0, MOST, 50), *((10 * n + 1, 10 * n + 9, 50) for n in range(100))], 7550, id="one over all"),
        pytest.param([(n, 2**40 + n, 50) for n in range(100)], 127_500, id="all over one another"),
    ],
)
def test_how_much_is_read_for_all_lines(pieces: list[tuple[int, int, int]], bytes_read: int) -> None:
    made = [Piece(first=first, last=last, key="", size=size) for first, last, size in pieces]
    assert reading(made, window=100) == bytes_read
