"""Reading a log in order, whatever its agent made of the seqs: nothing is missed, and little is held."""

from collections.abc import Iterable
from threading import get_ident
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deplite_apiserver.logs.lines import LogLine, line, merge
from deplite_apiserver.storage.pieces import Piece
from deplite_apiserver.storage.reading import ASIDE_BYTES, fill, in_order, load, pages
from deplite_apiserver.storage.window import Window
from tests.unit.apiserver.settling import settled
from tests.unit.apiserver.storage.bucket import Bucket

MOST = 2**63 - 1
seqs = st.integers(0, 40) | st.sampled_from([2**53, MOST - 1, MOST])
contents = st.sampled_from(["", "a", "bb", "c" * 9])
written = st.lists(st.dictionaries(seqs, contents, min_size=1, max_size=6), max_size=12)
"""Parts in the order in which they were written: content by seq."""


class Log:
    """Pieces in memory, and how many were read."""

    def __init__(self, parts: Iterable[dict[int, str]]) -> None:
        self.parts = [
            [line(seq=seq, stream="raw", content=content) for seq, content in sorted(one.items())] for one in parts
        ]
        self.pieces = [
            Piece(first=one[0]["seq"], last=one[-1]["seq"], key=str(number), rank=(float(number), ""))
            for number, one in enumerate(self.parts)
        ]
        self.reads = 0

    async def load(self, piece: Piece) -> list[LogLine]:
        self.reads += 1
        return list(self.parts[int(piece.key)])

    async def paged(self, lines: int, size: int) -> list[list[LogLine]]:
        return [page async for page in pages(self.pieces, self.load, lines=lines, size=size)]


@given(written, st.integers(1, 7), st.integers(1, 30))
def test_the_pages_of_a_log_are_the_log(parts: list[dict[int, str]], lines: int, size: int) -> None:
    log = Log(parts)
    found = settled(log.paged(lines, size))
    assert [one for page in found for one in page] == merge(log.parts)
    for page in found:
        assert len(page) <= lines
        assert len(page) == 1 or sum(len(one["content"]) for one in page) <= size


@given(written, seqs, st.integers(1, 7))
def test_a_page_may_begin_anywhere(parts: list[dict[int, str]], start: int, lines: int) -> None:
    log = Log(parts)
    window = Window(start, lines=lines, size=1000)
    page = settled(fill(window, in_order(log.pieces, start), log.load))
    assert page == [one for one in merge(log.parts) if one["seq"] >= start][:lines]


HOSTILE: dict[str, list[dict[int, str]]] = {
    "one over all others": [{number: "x", MOST - number: "y"} for number in range(300)],
    "reversed": [{299 - number: "x"} for number in range(300)],
    "huge gaps": [{number * 2**54: "x"} for number in range(300)],
    "all the same": [{seq: str(number) for seq in range(5)} for number in range(300)],
    "interleaved": [{number + 300 * index: "x" for index in range(10)} for number in range(300)],
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_no_log_makes_a_reader_hold_more_than_a_page_and_a_piece(name: str) -> None:
    log = Log(HOSTILE[name])
    held = 0
    found: list[LogLine] = []
    start = 0
    while True:
        window = Window(start, lines=20, size=10**6)

        async def load(piece: Piece, window: Window = window) -> list[LogLine]:
            nonlocal held
            held = max(held, len(window._found))
            return await log.load(piece)

        page: list[Any] = await fill(window, in_order(log.pieces, start), load)
        if not page:
            break
        found += page
        start = page[-1]["seq"] + 1
    assert found == merge(log.parts)
    assert held <= 20


async def test_no_log_makes_a_reader_hold_more_than_so_many_characters() -> None:
    log = Log([{number: "x" * 100, MOST - number: "y" * 100} for number in range(100)])
    window = Window(0, lines=1000, size=1000)
    page = await fill(window, in_order(log.pieces), log.load)
    assert [one["seq"] for one in page] == list(range(10))
    assert window._size == 1000
    assert log.reads <= 12


async def test_a_log_in_order_is_read_about_once() -> None:
    log = Log([{number * 10 + index: "x" for index in range(10)} for number in range(100)])
    assert len(await log.paged(100, 10**6)) == 10
    assert log.reads <= 110


class Telling(Piece):
    """A piece that has no lines, and tells the number of the thread that decodes it."""

    def decode(self, data: bytes) -> list[dict[str, Any]]:
        return [{"thread": get_ident()}]


@pytest.mark.parametrize(("size", "aside"), [(ASIDE_BYTES, False), (ASIDE_BYTES + 1, True)])
async def test_a_large_part_is_decoded_beside_the_event_loop(size: int, aside: bool) -> None:
    bucket = Bucket()
    await bucket.put("x", b"x" * size)
    [found] = await load(bucket, Telling(first=0, last=0, key="x"))
    assert (found["thread"] != get_ident()) is aside
