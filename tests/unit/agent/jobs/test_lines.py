"""Lines: whole, or in pieces that are no longer than a line may be and cut no character."""

from hypothesis import given
from hypothesis import strategies as st

from deplite_agent.jobs.lines import MAX_LINE, LineSplitter


def lines(*writes: bytes) -> list[bytes]:
    splitter = LineSplitter()
    return [line for write in writes for line in splitter.feed(write)] + list(splitter.flush())


@given(writes=st.lists(st.lists(st.sampled_from([b"a", b"\n", b"\r\n", b"\x00"])).map(b"".join)))
def test_lines_come_with_their_ends_and_nothing_is_lost(writes: list[bytes]) -> None:
    text = b"".join(writes)
    assert lines(*writes) == [line for line in text.splitlines(keepends=True)] == lines(text) or b"\r" in text
    assert b"".join(lines(*writes)) == text
    assert all(line.count(b"\n") <= 1 for line in lines(*writes))


def test_a_line_is_given_as_soon_as_it_ends() -> None:
    splitter = LineSplitter()
    assert list(splitter.feed(b"a")) == []
    assert list(splitter.feed(b"b\nc")) == [b"ab\n"]
    assert list(splitter.flush()) == [b"c"]
    assert list(splitter.flush()) == []


@given(size=st.integers(MAX_LINE - 3, 2 * MAX_LINE + 5), letter=st.sampled_from(["a", "é", "日", "😀"]))
def test_a_long_line_comes_in_pieces_of_whole_characters(size: int, letter: str) -> None:
    text = (letter * size).encode()[: size - size % len(letter.encode())]
    pieces = lines(text[:10], text[10:], b"\n")
    assert b"".join(pieces) == text + b"\n"
    assert all(len(piece) <= MAX_LINE for piece in pieces)
    assert [piece.decode() for piece in pieces]


def test_bytes_that_are_no_text_are_cut_all_the_same() -> None:
    pieces = lines(b"\x80" * (3 * MAX_LINE))
    assert b"".join(pieces) == b"\x80" * (3 * MAX_LINE)
    assert all(MAX_LINE - 4 <= len(piece) <= MAX_LINE for piece in pieces[:-1])
