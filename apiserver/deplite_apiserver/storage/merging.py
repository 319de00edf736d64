"""Merges the parts of a log into few objects, holding a window of lines at a time, however long the log is."""

import asyncio
import logging
from collections.abc import Sequence

from deplite.failpoints import failpoint
from deplite_apiserver.logs.lines import LogLine
from deplite_apiserver.storage.objects import ObjectStore
from deplite_apiserver.storage.packing import Merged, Packer
from deplite_apiserver.storage.pieces import LogName, Piece, cuts_of, index_of, parts_of, reading
from deplite_apiserver.storage.reading import load, pages

log = logging.getLogger(__name__)

LARGE_BYTES = 1024 * 1024
WINDOW_LINES = 20_000
WINDOW_SIZE = 8 * 1024 * 1024
MOST_READS = 4
"""How many times the bytes of a log are read at most: parts that lie over one another are read again and again."""
FREE_BYTES = 64 * 1024 * 1024
"""Read in any case."""


class _TooTangledError(Exception):
    """Merging would read the log too many times."""


class Merge:
    """One merge of one log."""

    def __init__(self, store: ObjectStore, name: LogName) -> None:
        """Make it; `run` does it."""
        self._store, self._name = store, name
        self._large = False
        self._left = 0
        """Bytes that may still be read."""

    async def run(self) -> list[str]:
        """Write the merged form, and return the keys that nobody needs once readers have forgotten the old one.

        Nothing happens where there are no parts, or where their seqs lie over one another so much that it would take
        too long.

        Raises:
            StorageUnavailableError: the store is away, or an object is damaged; nothing may be deleted.
        """
        listing = await self._store.list(self._name.prefix)
        parts = parts_of(listing)
        if not parts:
            return []
        size = sum(one.size for one in listing)
        self._large, self._left = size > LARGE_BYTES, MOST_READS * size + FREE_BYTES
        chunks = index_of(await self._store.get(self._name.index)).chunks
        packer = Packer(self._name)
        try:
            if reading([*chunks, *parts], WINDOW_SIZE) > self._left:  # told at once: trying it would take minutes
                raise _TooTangledError
            await self._pack(packer, [*chunks, *parts])
        except _TooTangledError:
            log.warning("the log %s stays in parts", self._name.storage_key, extra={"action": "log_tangled"})
            return []
        failpoint("apiserver.logs.merged")
        await self._store.put(self._name.index, packer.index(), "application/json")
        kept = {self._name.index, *packer.keys, *(cut.key for cut in cuts_of(listing))}
        return [one.key for one in listing if one.key not in kept]

    async def _pack(self, packer: Packer, pieces: Sequence[Piece]) -> None:
        async for lines in pages(pieces, self._load, lines=WINDOW_LINES, size=WINDOW_SIZE):
            # For a large log this is seconds of work, during which requests must not wait.
            await self._keep(await asyncio.to_thread(packer.add, lines) if self._large else packer.add(lines))
        await self._keep(packer.rest())

    async def _keep(self, merged: Sequence[Merged]) -> None:
        for one in merged:
            await self._store.put(one.key, one.data, "application/gzip")

    async def _load(self, piece: Piece) -> list[LogLine]:
        self._left -= piece.length or piece.size
        if self._left < 0:
            raise _TooTangledError
        return await load(self._store, piece, aside=self._large)
