"""Log lines: their stored form, one JSON object a line, and the sets of sequence numbers that are known. Pure."""

import hashlib
import json
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

LogLine = Mapping[str, Any]
"""`{seq, stream, stepName, level?, content}`, as REST shows it."""
MAX_RANGES = 1000


def line(
    *, seq: int, stream: str, content: str, step_name: str | None = None, level: str | None = None
) -> dict[str, Any]:
    """Return a log line as it is stored and shown; what is not well-formed text is replaced by U+FFFD."""
    shown: dict[str, Any] = {"seq": seq, "stream": stream, "stepName": _well_formed(step_name or "")}
    if level is not None:
        shown["level"] = level
    return shown | {"content": _well_formed(content)}


def encode(lines: Iterable[LogLine]) -> bytes:
    """Return lines as NDJSON."""
    return b"".join(json.dumps(one, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" for one in lines)


def decode(data: bytes) -> list[dict[str, Any]]:
    """Return the lines that `encode` wrote."""
    return [json.loads(one) for one in data.split(b"\n") if one]


def merge(parts: Iterable[Iterable[LogLine]]) -> list[LogLine]:
    """Return the lines of parts by seq; of two with one seq, the one of the earlier part."""
    found: dict[int, LogLine] = {}
    for part in parts:
        for one in part:
            found.setdefault(one["seq"], one)
    return [found[seq] for seq in sorted(found)]


def digest(data: bytes) -> str:
    """Return the 16 characters that name bytes in a key."""
    return hashlib.sha256(data).hexdigest()[:16]


def _well_formed(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


class SeqSet:
    """Sequence numbers, kept as ranges: a whole log is one of them.

    Of numbers with very many gaps the lowest ranges are forgotten, so that no log can fill the memory.
    """

    def __init__(self, numbers: Iterable[int] = (), *, most: int = MAX_RANGES) -> None:
        self._most = most
        self._starts: list[int] = []
        self._ends: list[int] = []
        """Exclusive."""
        for number in numbers:
            self.add(number)

    def __contains__(self, number: int) -> bool:
        index = bisect_right(self._starts, number) - 1
        return index >= 0 and number < self._ends[index]

    def add(self, number: int) -> None:
        """Put a number in."""
        if number in self:
            return
        index = bisect_right(self._starts, number)
        joins_left = index > 0 and self._ends[index - 1] == number
        joins_right = index < len(self._starts) and self._starts[index] == number + 1
        if joins_left and joins_right:
            self._ends[index - 1] = self._ends.pop(index)
            del self._starts[index]
        elif joins_left:
            self._ends[index - 1] = number + 1
        elif joins_right:
            self._starts[index] = number
        else:
            self._starts.insert(index, number)
            self._ends.insert(index, number + 1)
        if len(self._starts) > self._most:
            del self._starts[0], self._ends[0]

    def __len__(self) -> int:
        """Return how many ranges there are."""
        return len(self._starts)

    @property
    def last(self) -> int | None:
        """The highest number."""
        return self._ends[-1] - 1 if self._ends else None

    @property
    def ranges(self) -> Sequence[tuple[int, int]]:
        """First and last of each range."""
        return [(start, end - 1) for start, end in zip(self._starts, self._ends, strict=True)]
