"""A whole log as few objects: lines in order, cut into chunks, each a gzip member, and an index of them. Pure."""

import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass

from deplite_apiserver.logs.lines import LogLine, digest, encode
from deplite_apiserver.storage.pieces import LogName

CHUNK_BYTES = 262_144
"""A merged chunk holds about so many bytes of lines: what a page of a log reads at least."""
OBJECT_BYTES = 16 * 1024 * 1024
"""A merged object ends here, compressed: it is held in memory until it is stored."""


@dataclass(frozen=True, kw_only=True)
class Merged:
    """One merged object."""

    key: str
    data: bytes


class Packer:
    """Takes the lines of a log in order, and gives its objects; the same lines give the same bytes."""

    def __init__(self, name: LogName) -> None:
        """Make it for a log."""
        self._name = name
        self._chunk: list[LogLine] = []
        self._chunk_size = 0
        self._data = bytearray()
        self._chunks: list[tuple[int, int, int, int, int]] = []
        self._size = self._lines = 0
        self.keys: list[str] = []
        """The objects that were given."""

    def add(self, lines: Iterable[LogLine]) -> list[Merged]:
        """Take lines, and return the objects that are full by them."""
        full: list[Merged] = []
        for one in lines:
            self._chunk.append(one)
            self._chunk_size += len(one["content"]) + 100
            if self._chunk_size >= CHUNK_BYTES:
                self._close_chunk()
                if len(self._data) >= OBJECT_BYTES:
                    full.append(self._close_object())
        return full

    def rest(self) -> list[Merged]:
        """Return the last object, if there is something left for one."""
        if self._chunk:
            self._close_chunk()
        return [self._close_object()] if self._data else []

    def index(self) -> bytes:
        """Return the index, once all objects were given."""
        body = {"objects": self.keys, "chunks": self._chunks, "size": self._size, "lines": self._lines}
        return json.dumps(body, separators=(",", ":")).encode()

    def _close_chunk(self) -> None:
        encoded = encode(self._chunk)
        member = gzip.compress(encoded, mtime=0)
        first, last = self._chunk[0]["seq"], self._chunk[-1]["seq"]
        self._chunks.append((first, last, len(self._data), len(member), len(self.keys)))
        self._data += member
        self._size, self._lines = self._size + len(encoded), self._lines + len(self._chunk)
        self._chunk, self._chunk_size = [], 0

    def _close_object(self) -> Merged:
        data = bytes(self._data)
        made = Merged(key=f"{self._name.prefix}m/{digest(data)}.ndjson.gz", data=data)
        self.keys.append(made.key)
        self._data = bytearray()
        return made
