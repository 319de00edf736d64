"""Logs of jobs in the object store: a batch is stored once it is one object, and read back merged by seq."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from deplite.failpoints import failpoint
from deplite_apiserver.logs.bounds import OVERLAP_WEIGHT, Admission, Bounds, admit
from deplite_apiserver.logs.lines import LogLine, encode, merge
from deplite_apiserver.storage.merging import Merge
from deplite_apiserver.storage.objects import ObjectStore, StorageUnavailableError, Stored
from deplite_apiserver.storage.pieces import (
    Index,
    LogName,
    cut_key,
    cuts_of,
    extent_of,
    index_of,
    part_key,
    parts_of,
    spans_of,
)
from deplite_apiserver.storage.readers import Readers
from deplite_apiserver.storage.reading import fill, in_order, load
from deplite_apiserver.storage.tracked import Tracked, TrackedLogs
from deplite_apiserver.storage.window import Window

MAX_PAGE_BYTES = 4 * 1024 * 1024
"""A page of lines ends here, whatever its limit."""
MAX_PARTS = 500
"""A log of more parts, by weight, is merged before its job ends: every reader has to list them all."""
FOLLOWED_SECONDS = 10.0
"""A log read so recently counts as followed: its agent is asked to send sooner."""
_NDJSON = "application/x-ndjson"


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What became of a batch."""

    accepted: int = 0
    """Lines that were new, and are stored."""
    dropped: int = 0
    """Lines that are not stored and never will be: the log has reached its bounds, and says so where it was cut."""


class LogStore:
    """Takes and gives log lines.

    Of two lines with one seq the first one written wins: what this replica knows is not stored again, and of parts
    that several replicas wrote the older one is read.
    """

    def __init__(
        self,
        store: ObjectStore,
        monotonic: Callable[[], float],
        bounds: Bounds | None = None,
        *,
        swept: ObjectStore | None = None,
    ) -> None:
        """Make the store.

        Args:
            store: the bucket.
            monotonic: seconds of a clock that never goes back.
            bounds: how long one log may become.
            swept: the bucket for merging and what follows, which only one replica may do; None: `store`.
        """
        self._store, self._swept = store, swept or store
        self._monotonic = monotonic
        self._bounds = bounds or Bounds()
        self._tracked, self._readers = TrackedLogs(), Readers()
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

    def note_followed(self, name: LogName) -> None:
        """Note that somebody reads the log through another replica; one that does not grow here is none of ours."""
        if (tracked := self._tracked.get(name)) is not None:
            tracked.read_at = self._monotonic()

    async def append(self, name: LogName, lines: Sequence[LogLine]) -> Taken:
        """Store lines; all that are not said to be dropped are stored when this returns.

        Raises:
            StorageUnavailableError: nothing is promised; send the batch again.
        """
        batch = merge([lines])
        if not batch:
            return Taken()
        tracked = self._tracked.use(name)
        async with tracked.lock:
            await self._learn(name, tracked, batch)
            fresh = [one for one in batch if one["seq"] not in tracked.known]
            crossing = bool(fresh) and tracked.spans.cross(fresh[0]["seq"], fresh[-1]["seq"])
            admission = admit(fresh, tracked.extent, self._bounds, cut_at=tracked.cut_at, crossing=crossing)
            await self._write(name, tracked, admission)
            self._tracked.weigh(name, tracked)
        told = [*admission.kept, *([admission.cut] if admission.cut else [])]
        for callback in tuple(self._followers) if told else ():
            callback(name, told[-1]["seq"])
        return Taken(accepted=len(admission.kept), dropped=admission.dropped)

    async def read(self, name: LogName, from_seq: int, limit: int) -> list[LogLine]:
        """Return at most `limit` lines from `from_seq` on, by seq; fewer where a page would pass 4 MiB.

        Raises:
            StorageUnavailableError: the object store does not answer.
            RateLimitedError: others of the organization read so much now that there is no place for this one.
        """
        self._tracked.use(name).read_at = self._monotonic()
        async with self._readers.place(name.organization):
            listing, index = await self._listed(name)
            pieces = in_order([*index.chunks, *parts_of(listing), *cuts_of(listing)], from_seq)
            return await fill(Window(from_seq, lines=limit, size=MAX_PAGE_BYTES), pieces, partial(load, self._store))

    async def tail(self, name: LogName, lines: int) -> list[LogLine]:
        """Return the lines with the last seqs, at most `lines`; fewer where seqs have gaps. Errors as `read`."""
        listing, index = await self._listed(name)
        pieces = [*index.chunks, *parts_of(listing), *cuts_of(listing)]
        last = max((piece.last for piece in pieces), default=-1)
        return await self.read(name, max(0, last - lines + 1), lines)

    def crowded(self) -> list[LogName]:
        """Return the logs that have more than 500 parts, as far as this process has seen; each once for every 500.

        One that lies over others counts 20-fold, as for the bounds: what can be merged is, long before it would be cut.
        """
        found = [(name, one) for name, one in self._tracked.items() if one.extent.weight - one.crowd > MAX_PARTS]
        for _, tracked in found:
            tracked.crowd = tracked.extent.weight
        return [name for name, _ in found]

    async def merge(self, name: LogName) -> list[str]:
        """Merge the parts of a log into few objects, and return the keys that a minute later may be deleted.

        Raises:
            StorageUnavailableError: the object store does not answer, or something in it is damaged.
        """
        async with self._merging:
            keys = await Merge(self._swept, name).run()
        if keys and (tracked := self._tracked.get(name)) is not None:
            came = max(0, tracked.extent.parts - len(keys))
            tracked.extent = replace(tracked.extent, parts=came, overlapping=min(came, tracked.extent.overlapping))
            tracked.crowd = 0
        return keys

    async def discard(self, keys: Sequence[str]) -> None:
        """Delete what `merge` named."""
        failpoint("apiserver.logs.discarding")
        async with self._merging:
            await self._swept.delete(keys)

    async def _write(self, name: LogName, tracked: Tracked, admission: Admission) -> None:
        kept, cut = admission.kept, admission.cut
        if kept:
            failpoint("apiserver.logs.received")
            await self._store.put(
                part_key(name, kept[0]["seq"], kept[-1]["seq"], admission.data), admission.data, _NDJSON
            )
            failpoint("apiserver.logs.stored")
            for one in kept:
                tracked.known.add(one["seq"])
            before = tracked.spans.overlapping
            tracked.spans.add(kept[0]["seq"], kept[-1]["seq"])
            crossing = tracked.spans.overlapping > before
            tracked.extent = tracked.extent.plus(len(admission.data), len(kept), crossing=crossing)
        if cut is not None:
            # After the lines before it: a process that dies in between finds them, and cuts at the same place.
            await self._store.put(cut_key(name, cut), encode([cut]), _NDJSON)
            tracked.cut_at = cut["seq"]

    async def _learn(self, name: LogName, tracked: Tracked, batch: Sequence[LogLine]) -> None:
        """Read those older pieces that could hold a seq of the batch."""
        too_many = tracked.cut_at is None and tracked.extent.weight + OVERLAP_WEIGHT > self._bounds.parts
        new = any(one["seq"] not in tracked.known for one in batch)
        if tracked.unread is None or (too_many and new):  # another process may have merged them since
            await self._look(name, tracked)
        unread, first, last = tracked.unread or [], batch[0]["seq"], batch[-1]["seq"]
        for piece in [piece for piece in unread if piece.first <= last and piece.last >= first]:
            try:
                lines = await load(self._store, piece)
            except StorageUnavailableError:
                tracked.unread = None  # it may have been merged away since: the next try lists again
                raise
            for one in lines:
                tracked.known.add(one["seq"])
            unread.remove(piece)

    async def _look(self, name: LogName, tracked: Tracked) -> None:
        listing, index = await self._listed(name)
        parts = parts_of(listing)
        tracked.unread = [*index.chunks, *parts]
        tracked.spans = spans_of(parts)
        tracked.extent = extent_of(index, parts, tracked.spans)
        tracked.cut_at = min((cut.first for cut in cuts_of(listing)), default=None)

    async def _listed(self, name: LogName) -> tuple[list[Stored], Index]:
        listing = await self._store.list(name.prefix)
        merged = any(one.key == name.index for one in listing)
        return listing, index_of(await self._store.get(name.index) if merged else None)
