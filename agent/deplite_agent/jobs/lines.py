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
        while len(self._rest) > MAX_LINE:
            yield self._rest[:MAX_LINE]
            self._rest = self._rest[MAX_LINE:]

    def flush(self) -> Iterator[bytes]:
        """Yield what is left."""
        rest, self._rest = self._rest, b""
        if rest:
            yield rest


def _pieces(line: bytes) -> Iterator[bytes]:
    for start in range(0, len(line), MAX_LINE):
        yield line[start : start + MAX_LINE]
