"""Where a job's log lies: parts as agents sent them, and, some time after the end, chunks of one merged object. Pure.

logs/<organization>/<id>-<uid8>/p/<firstSeq>-<lastSeq>-<sha16>     a part: NDJSON, named by its bytes
logs/<organization>/<id>-<uid8>/m/<sha16>.ndjson.gz                chunks one after another, each a gzip member
logs/<organization>/<id>-<uid8>/index.json                         names the merged object, and its chunks by seq
"""

import gzip
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from deplite_apiserver.logs.lines import LogLine, decode, digest, encode
from deplite_apiserver.storage.objects import StorageUnavailableError, Stored

CHUNK_BYTES = 262_144
"""A merged chunk holds about so many bytes of lines: what a page of a log reads at least."""
_DIGITS = 19
_PART = re.compile(r"p/(\d{19})-(\d{19})-[0-9a-f]{16}$")


@dataclass(frozen=True, kw_only=True)
class LogName:
    """A job, as the object store knows it."""

    organization: str
    storage_key: str
    """`<id>-<uid8>`."""

    @property
    def prefix(self) -> str:
        """What the keys of its log begin with."""
        return f"logs/{self.organization}/{self.storage_key}/"

    @property
    def index(self) -> str:
        """The key of its index."""
        return f"{self.prefix}index.json"


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Lines that lie together.

    Attributes:
        first: the lowest seq.
        last: the highest seq.
        key: the object.
        offset: where in the object it begins, for a chunk.
        length: its bytes, for a chunk; 0 for a part, which is a whole object.
        rank: of two pieces with one seq, the lower rank was written first.
    """

    first: int
    last: int
    key: str
    offset: int = 0
    length: int = 0
    rank: tuple[float, str] = (0.0, "")

    def decode(self, data: bytes) -> list[dict[str, Any]]:
        """Return the lines of its bytes.

        Raises:
            ValueError, OSError, EOFError, zlib.error: they are not the bytes that were stored.
        """
        if self.length:
            return decode(gzip.decompress(data))
        if not self.key.endswith(digest(data)):
            raise ValueError("a part is named by its bytes, and these are others")
        return decode(data)


@dataclass(frozen=True, kw_only=True)
class Merged:
    """A whole log as one object and an index."""

    key: str
    data: bytes
    index: bytes


def part_key(name: LogName, first: int, last: int, data: bytes) -> str:
    """Return the key of a part: the same key is the same bytes."""
    return f"{name.prefix}p/{first:0{_DIGITS}d}-{last:0{_DIGITS}d}-{digest(data)}"


def parts_of(listing: Iterable[Stored]) -> list[Piece]:
    """Return the parts among the objects of a log."""
    return [
        Piece(first=int(match[1]), last=int(match[2]), key=one.key, rank=(one.modified_at.timestamp(), one.key))
        for one in listing
        if (match := _PART.search(one.key))
    ]


def chunks_of(index: bytes | None) -> list[Piece]:
    """Return the chunks that an index names; they rank before every part.

    Raises:
        StorageUnavailableError: the index is damaged.
    """
    if index is None:
        return []
    try:
        body = json.loads(index)
        return [
            Piece(first=first, last=last, key=body["object"], offset=offset, length=length)
            for first, last, offset, length in body["chunks"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise StorageUnavailableError from error


def pack(name: LogName, lines: Sequence[LogLine]) -> Merged:
    """Return a log as its merged object and the index of it."""
    data, chunks = bytearray(), []
    for chunk in _chunked(lines):
        member = gzip.compress(encode(chunk), mtime=0)
        chunks.append([chunk[0]["seq"], chunk[-1]["seq"], len(data), len(member)])
        data += member
    key = f"{name.prefix}m/{digest(bytes(data))}.ndjson.gz"
    index = json.dumps({"object": key, "chunks": chunks}, separators=(",", ":")).encode()
    return Merged(key=key, data=bytes(data), index=index)


def _chunked(lines: Sequence[LogLine]) -> Iterable[list[LogLine]]:
    chunk: list[LogLine] = []
    size = 0
    for one in lines:
        chunk.append(one)
        size += len(one["content"]) + 100
        if size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
