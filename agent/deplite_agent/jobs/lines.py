"""Cuts a stream of bytes into lines."""

from collections.abc import Iterator

MAX_LINE = 64 * 1024
"""A longer line comes in pieces."""


class LineSplitter:
    """Collects bytes and gives them back line by line, each with its end."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the lines that are whole now."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            yield from _pieces(line + b"\n")
        *pieces, self._rest = _pieces(self._rest) or [b""]
        yield from pieces

    def flush(self) -> Iterator[bytes]:
        """Yield what is left."""
        rest, self._rest = self._rest, b""
        if rest:
            yield rest


def _pieces(line: bytes) -> list[bytes]:
    found, start = [], 0
    while start < len(line):
        end = start + MAX_LINE
        # Not within a character: back to its first byte, which is no 10xxxxxx; a character has four bytes at most.
        while start + MAX_LINE - end < 4 and end < len(line) and line[end] & 0xC0 == 0x80:
            end -= 1
        found.append(line[start:end])
        start = end
    return found
