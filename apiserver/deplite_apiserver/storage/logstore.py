"""Logs of jobs in the object store: a batch is stored once it is one object, and read back merged by seq."""

import asyncio
import logging
import zlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from deplite.failpoints import failpoint
from deplite_apiserver.logs.lines import LogLine, SeqSet, encode, merge
from deplite_apiserver.storage.objects import ObjectStore, StorageUnavailableError
from deplite_apiserver.storage.pieces import LogName, Merged, Piece, chunks_of, pack, part_key, parts_of

log = logging.getLogger(__name__)

MAX_PAGE_BYTES = 4 * 1024 * 1024
"""A page of lines ends here, whatever its limit."""
MAX_MERGE_BYTES = 64 * 1024 * 1024
"""Logs beyond this stay in parts: merging holds a log in memory."""
LARGE_BYTES = 1024 * 1024
MAX_PARTS = 500
"""A log of more parts is merged before its job ends: every reader has to list them all."""
MAX_TRACKED = 4096
FOLLOWED_SECONDS = 10.0
"""A log read so recently counts as followed: its agent is asked to send sooner."""


@dataclass(kw_only=True)
class _Tracked:
    """What this replica knows of one log."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    known: SeqSet = field(default_factory=SeqSet)
    unread: list[Piece] | None = None
    """Pieces written before this process knew the log; None: not listed yet."""
    read_at: float = float("-inf")
    parts: int = 0
    """Parts that it has, as far as this process has seen."""


class LogStore:
    """Takes and gives log lines.

    Of two lines with one seq the first one written wins: what this replica knows is not stored again, and of parts
    that several replicas wrote the older one is read.
    """

    def __init__(self, store: ObjectStore, monotonic: Callable[[], float]) -> None:
        """Make the store.

        Args:
            store: the bucket.
            monotonic: seconds of a clock that never goes back.
        """
        self._store = store
        self._monotonic = monotonic
        self._tracked: OrderedDict[LogName, _Tracked] = OrderedDict()
        self._followers: list[Callable[[LogName, int], None]] = []
        self._merging = asyncio.Lock()
        """Held while objects are merged or deleted: two merges of one log at once could each drop the other's lines."""

    def subscribe(self, callback: Callable[[LogName, int], None]) -> Callable[[], None]:
        """Call back with a log and its last seq when lines were stored; returns the function that ends it."""
        self._followers.append(callback)
        return lambda: self._followers.remove(callback)

    def followed(self, name: LogName) -> bool:
        """Whether somebody read the log in the last seconds."""
        tracked = self._tracked.get(name)
        return tracked is not None and self._monotonic() - tracked.read_at < FOLLOWED_SECONDS

    async def append(self, name: LogName, lines: Sequence[LogLine]) -> int:
        """Store lines, and return how many of them were new; all are stored when this returns.

        Raises:
            StorageUnavailableError: nothing is promised; send the batch again.
        """
        batch = merge([lines])
        if not batch:
            return 0
        tracked = self._track(name)
        async with tracked.lock:
            await self._learn(name, tracked, batch[0]["seq"], batch[-1]["seq"])
            fresh = [one for one in batch if one["seq"] not in tracked.known]
            if not fresh:
                return 0
            data = encode(fresh)
            failpoint("apiserver.logs.received")
            await self._store.put(part_key(name, fresh[0]["seq"], fresh[-1]["seq"], data), data, "application/x-ndjson")
            failpoint("apiserver.logs.stored")
            for one in fresh:
                tracked.known.add(one["seq"])
            tracked.parts += 1
        for callback in tuple(self._followers):
            callback(name, fresh[-1]["seq"])
        return len(fresh)

    async def read(self, name: LogName, from_seq: int, limit: int) -> list[LogLine]:
        """Return at most `limit` lines from `from_seq` on, by seq; fewer where a page would pass 4 MiB.

        Raises:
            StorageUnavailableError: the object store does not answer.
        """
        self._track(name).read_at = self._monotonic()
        pieces = sorted(await self._pieces(name), key=lambda piece: (piece.first, piece.rank))
        pieces = [piece for piece in pieces if piece.last >= from_seq]
        found: dict[int, tuple[tuple[float, str], LogLine]] = {}
        size = 0
        for number, piece in enumerate(pieces):
            for one in await self._load(piece):
                seq = one["seq"]
                if seq >= from_seq and (seq not in found or piece.rank < found[seq][0]):
                    found[seq] = (piece.rank, one)
                    size += len(one["content"])
            following = pieces[number + 1].first if number + 1 < len(pieces) else None
            certain = len(found) if following is None else sum(seq < following for seq in found)
            if certain >= limit or (certain and size >= MAX_PAGE_BYTES):
                return _page(found, following, limit)
        return _page(found, None, limit)

    def crowded(self) -> list[LogName]:
        """Return the logs that have more than 500 parts, as far as this process has seen; each once for every 500."""
        found = [name for name, tracked in self._tracked.items() if tracked.parts > MAX_PARTS]
        for name in found:
            self._tracked[name].parts = 0
        return found

    async def merge(self, name: LogName) -> list[str]:
        """Merge the parts of a log into one object, and return the keys that a minute later may be deleted.

        Nothing happens, and nothing may be deleted, where there are no parts or more than 64 MiB of them.
        """
        async with self._merging:
            return await self._merge(name)

    async def _merge(self, name: LogName) -> list[str]:
        listing = await self._store.list(name.prefix)
        parts = sorted(parts_of(listing), key=lambda piece: piece.rank)
        size = sum(one.size for one in listing)
        if not parts or size > MAX_MERGE_BYTES:
            return []
        chunks = chunks_of(await self._store.get(name.index))
        loaded = [(piece, await self._bytes(piece)) for piece in (*chunks, *parts)]
        # For a large log this is seconds of work, during which requests must not wait.
        large = size > LARGE_BYTES
        merged = await asyncio.to_thread(_merged, name, loaded) if large else _merged(name, loaded)
        await self._store.put(merged.key, merged.data, "application/gzip")
        failpoint("apiserver.logs.merged")
        await self._store.put(name.index, merged.index, "application/json")
        return [one.key for one in listing if one.key not in {merged.key, name.index}]

    async def discard(self, keys: Sequence[str]) -> None:
        """Delete what `merge` named."""
        failpoint("apiserver.logs.discarding")
        async with self._merging:
            await self._store.delete(keys)

    async def _pieces(self, name: LogName) -> list[Piece]:
        listing = await self._store.list(name.prefix)
        merged = any(one.key == name.index for one in listing)
        return chunks_of(await self._store.get(name.index) if merged else None) + parts_of(listing)

    async def _load(self, piece: Piece) -> list[LogLine]:
        return _lines(piece, await self._bytes(piece))

    async def _bytes(self, piece: Piece) -> bytes:
        data = await self._store.get(piece.key, offset=piece.offset, length=piece.length)
        if data is None:  # merged and deleted since it was listed, or lost: either way this view is not the log
            raise StorageUnavailableError
        return data

    async def _learn(self, name: LogName, tracked: _Tracked, first: int, last: int) -> None:
        """Read those older pieces that could hold a seq of the batch."""
        if tracked.unread is None:
            tracked.unread = await self._pieces(name)
            tracked.parts = sum(not piece.length for piece in tracked.unread)
        for piece in [piece for piece in tracked.unread if piece.first <= last and piece.last >= first]:
            try:
                lines = await self._load(piece)
            except StorageUnavailableError:
                tracked.unread = None  # it may have been merged away since: the next try lists again
                raise
            for one in lines:
                tracked.known.add(one["seq"])
            tracked.unread.remove(piece)

    def _track(self, name: LogName) -> _Tracked:
        tracked = self._tracked.setdefault(name, _Tracked())
        self._tracked.move_to_end(name)
        while len(self._tracked) > MAX_TRACKED:
            oldest = next(iter(self._tracked))
            if self._tracked[oldest].lock.locked():
                break
            del self._tracked[oldest]
        return tracked


def _lines(piece: Piece, data: bytes) -> list[LogLine]:
    try:
        return list(piece.decode(data))
    except (ValueError, OSError, EOFError, zlib.error) as error:
        log.error("the log object %s is damaged", piece.key, extra={"action": "log_damaged"})
        raise StorageUnavailableError from error


def _merged(name: LogName, loaded: Sequence[tuple[Piece, bytes]]) -> Merged:
    return pack(name, merge([_lines(piece, data) for piece, data in loaded]))


def _page(found: dict[int, tuple[tuple[float, str], LogLine]], before: int | None, limit: int) -> list[LogLine]:
    """Return the lines that no piece still unread could change or precede."""
    certain = sorted(seq for seq in found if before is None or seq < before)
    lines: list[LogLine] = []
    size = 0
    for seq in certain[:limit]:
        size += len(found[seq][1]["content"])
        if lines and size > MAX_PAGE_BYTES:
            break
        lines.append(found[seq][1])
    return lines
