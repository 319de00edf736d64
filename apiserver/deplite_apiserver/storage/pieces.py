"""Where a job's log lies: parts as agents sent them, and, some time after the end, chunks of merged objects. Pure.

logs/<organization>/<id>-<uid8>/p/<firstSeq>-<lastSeq>-<sha16>     a part: NDJSON, named by its bytes
logs/<organization>/<id>-<uid8>/cut/<seq>-<sha16>                  the line that says that the log was cut there
logs/<organization>/<id>-<uid8>/m/<sha16>.ndjson.gz                chunks one after another, each a gzip member
logs/<organization>/<id>-<uid8>/index.json                         names the merged objects, and their chunks by seq
"""

import gzip
import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from deplite_apiserver.logs.bounds import NOTHING, Extent
from deplite_apiserver.logs.lines import LogLine, decode, digest, encode, line
from deplite_apiserver.logs.spans import Spans
from deplite_apiserver.storage.objects import StorageUnavailableError, Stored

_DIGITS = 19
_PART = re.compile(r"/p/(\d{19})-(\d{19})-[0-9a-f]{16}$")
_CUT = re.compile(r"/cut/(\d{19})-[0-9a-f]{16}$")
_LEAST_LINE = len(encode([line(seq=0, stream="raw", content="")]))
"""Bytes of the shortest line."""


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
        size: bytes of a part.
        rank: of two pieces with one seq, the lower rank was written first.
    """

    first: int
    last: int
    key: str
    offset: int = 0
    length: int = 0
    size: int = 0
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
class Index:
    """What is merged of a log."""

    chunks: Sequence[Piece] = ()
    """By seq, none over another; they rank before every part."""
    extent: Extent = NOTHING


def part_key(name: LogName, first: int, last: int, data: bytes) -> str:
    """Return the key of a part: the same key is the same bytes."""
    return f"{name.prefix}p/{first:0{_DIGITS}d}-{last:0{_DIGITS}d}-{digest(data)}"


def cut_key(name: LogName, cut: LogLine) -> str:
    """Return the key of the line that says that a log was cut."""
    return f"{name.prefix}cut/{cut['seq']:0{_DIGITS}d}-{digest(encode([cut]))}"


def parts_of(listing: Iterable[Stored]) -> list[Piece]:
    """Return the parts among the objects of a log."""
    return [
        _whole(one, int(match[1]), int(match[2])) for one in listing if (match := _PART.search(one.key)) is not None
    ]


def cuts_of(listing: Iterable[Stored]) -> list[Piece]:
    """Return where a log was cut: at most once, but for replicas that did it at the same moment."""
    return [_whole(one, int(match[1]), int(match[1])) for one in listing if (match := _CUT.search(one.key)) is not None]


def index_of(data: bytes | None) -> Index:
    """Return what an index says.

    Raises:
        StorageUnavailableError: the index is damaged.
    """
    if data is None:
        return Index()
    try:
        body = json.loads(data)
        objects = body["objects"]
        chunks = [
            Piece(first=first, last=last, key=objects[number], offset=offset, length=length)
            for first, last, offset, length, number in body["chunks"]
        ]
        return Index(chunks=chunks, extent=Extent(size=int(body["size"]), lines=int(body["lines"])))
    except (ValueError, LookupError, TypeError) as error:
        raise StorageUnavailableError from error


def spans_of(parts: Iterable[Piece]) -> Spans:
    """Return what parts lie over."""
    return Spans((part.first, part.last) for part in sorted(parts, key=lambda part: part.rank))


def extent_of(index: Index, parts: Sequence[Piece], spans: Spans) -> Extent:
    """Return how long a log is, as far as keys and sizes tell.

    Parts within what is merged are most likely waiting to be deleted, so they are not counted twice; of others, the
    number of lines is the most that there can be, which is exact where seqs have no gaps.

    Args:
        index: what is merged.
        parts: what is not, or not deleted yet.
        spans: what these lie over.
    """
    first, last = (index.chunks[0].first, index.chunks[-1].last) if index.chunks else (0, -1)
    new = [part for part in parts if part.first < first or part.last > last]
    return Extent(
        size=index.extent.size + sum(part.size for part in new),
        lines=index.extent.lines + sum(min(part.last - part.first + 1, part.size // _LEAST_LINE) for part in new),
        parts=len(parts),
        overlapping=spans.overlapping,
    )


def reading(pieces: Iterable[Piece], window: int) -> int:
    """Return about how many bytes are read for all lines in order, as far as keys and sizes tell.

    Args:
        pieces: all of them; one that spans what begins in others is read again for every window of that.
        window: bytes of lines that are held at a time.
    """
    ordered = sorted(pieces, key=lambda piece: piece.first)
    firsts = [piece.first for piece in ordered]
    sums = [0, *accumulate(piece.length or piece.size for piece in ordered)]
    total = 0
    for piece in ordered:
        size = piece.length or piece.size
        spanned = sums[bisect_right(firsts, piece.last)] - sums[bisect_left(firsts, piece.first)]
        total += size * (1 + (spanned - size) // window)
    return total


def _whole(stored: Stored, first: int, last: int) -> Piece:
    rank = (stored.modified_at.timestamp(), stored.key)
    return Piece(first=first, last=last, key=stored.key, size=stored.size, rank=rank)
