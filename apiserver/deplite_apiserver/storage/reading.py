"""Reads lines of a log in order out of its pieces, holding no more than a window of them."""

import asyncio
import logging
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

from deplite_apiserver.logs.lines import LogLine
from deplite_apiserver.storage.objects import ObjectStore, StorageUnavailableError
from deplite_apiserver.storage.pieces import Piece
from deplite_apiserver.storage.window import Window

log = logging.getLogger(__name__)

Load = Callable[[Piece], Awaitable[list[LogLine]]]


ASIDE_BYTES = 256 * 1024
"""More is decoded beside the event loop: it takes longer than other requests should wait."""


async def load(store: ObjectStore, piece: Piece, *, aside: bool = False) -> list[LogLine]:
    """Return the lines of a piece.

    Args:
        store: the bucket.
        piece: what to read.
        aside: decode beside the event loop whatever its size, for work of which there is much.

    Raises:
        StorageUnavailableError: it is damaged, not there, or the store is away.
    """
    data = await store.get(piece.key, offset=piece.offset, length=piece.length)
    if data is None:  # merged and deleted since it was listed, or lost: either way this view is not the log
        raise StorageUnavailableError
    if aside or len(data) > ASIDE_BYTES:
        return await asyncio.to_thread(_lines, piece, data)
    return _lines(piece, data)


def in_order(pieces: Iterable[Piece], from_seq: int = 0) -> list[Piece]:
    """Return the pieces that can hold a seq from `from_seq` on, in the order in which they are to be read."""
    return sorted((one for one in pieces if one.last >= from_seq), key=lambda piece: (piece.first, piece.rank))


async def fill(window: Window, pieces: Sequence[Piece], load: Load) -> list[LogLine]:
    """Read pieces, as `in_order` returns them, until a page is complete, and return it."""
    for number, piece in enumerate(pieces):
        window.add(piece.rank, await load(piece))
        if window.complete(pieces[number + 1].first if number + 1 < len(pieces) else None):
            break
    return window.page()


async def pages(pieces: Iterable[Piece], load: Load, *, lines: int, size: int) -> AsyncIterator[list[LogLine]]:
    """Yield all lines of a log page by page; the bounds of a page are those of `Window`."""
    left, start = in_order(pieces), 0
    while page := await fill(Window(start, lines=lines, size=size), left, load):
        yield page
        start = page[-1]["seq"] + 1
        left = [piece for piece in left if piece.last >= start]


def _lines(piece: Piece, data: bytes) -> list[LogLine]:
    try:
        return list(piece.decode(data))
    except (ValueError, OSError, EOFError, zlib.error) as error:
        log.error("the log object %s is damaged", piece.key, extra={"action": "log_damaged"})
        raise StorageUnavailableError from error
