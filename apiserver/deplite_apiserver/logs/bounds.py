"""How long a job's log may become, and what is kept of a batch that would make it longer. Pure.

A log that has reached its bounds is cut: one `system` line under the seq of the first line that was left out says so.
Of what comes after that, lines about the run itself still find some room, so that such a log shows how its job ended.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from deplite_apiserver.logs.lines import LogLine, encode, line

LAST_BYTES = 1024 * 1024
"""Room beyond the bounds for lines that are no output of a step."""
LAST_LINES = 2000
LAST_PARTS = 500
OVERLAP_WEIGHT = 20
"""A part that lies over others in its seqs counts for so many: a page of the log may have to read all such parts."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """The most that is kept of one job's log."""

    size: int = 256 * 1024 * 1024
    """Bytes as they are stored: about 60 for each line beside its content."""
    lines: int = 2_000_000
    parts: int = 10_000
    """Batches that were not merged yet, by weight; every reader has to list them all."""


@dataclass(frozen=True, kw_only=True)
class Extent:
    """How long a log is."""

    size: int = 0
    lines: int = 0
    parts: int = 0
    overlapping: int = 0
    """Those of them that lay over others in their seqs when they came."""

    def plus(self, size: int, lines: int, *, crossing: bool = False) -> "Extent":
        """Return what it is with one more part, which may lie over others."""
        return Extent(
            size=self.size + size,
            lines=self.lines + lines,
            parts=self.parts + 1,
            overlapping=self.overlapping + crossing,
        )

    @property
    def weight(self) -> int:
        """Its parts, each that lies over others counted 20-fold."""
        return self.parts + (OVERLAP_WEIGHT - 1) * self.overlapping


NOTHING = Extent()


@dataclass(frozen=True, kw_only=True)
class Admission:
    """What becomes of a batch."""

    kept: Sequence[LogLine]
    data: bytes
    """The kept lines, encoded."""
    dropped: int
    """How many are not kept."""
    cut: LogLine | None
    """The line that says that the log was cut, where this batch is the one that does it."""


def admit(
    fresh: Sequence[LogLine], extent: Extent, bounds: Bounds, *, cut_at: int | None, crossing: bool = False
) -> Admission:
    """Decide what to keep of lines that are new.

    Args:
        fresh: the lines, by seq.
        extent: how long the log is without them.
        bounds: how long it may become.
        cut_at: the seq under which it was cut, if it was.
        crossing: whether the lines lie over parts that are there.
    """
    kept: list[LogLine] = []
    data = bytearray()
    cut: LogLine | None = None
    for one in fresh:
        encoded = encode([one])
        grown = extent.plus(len(data) + len(encoded), len(kept) + 1, crossing=crossing)
        reached = _reached(grown, bounds)
        output = one["stream"] == "raw"
        fits = reached is None and not (output and cut_at is not None)
        if one["seq"] != cut_at and (fits or (not output and _reached(grown, _with_last_words(bounds)) is None)):
            kept.append(one)
            data += encoded
        elif cut_at is None:
            cut_at, cut = one["seq"], _cut_line(one["seq"], reached)
    return Admission(kept=kept, data=bytes(data), dropped=len(fresh) - len(kept), cut=cut)


def _reached(grown: Extent, bounds: Bounds) -> str | None:
    """Return the bound that a log would pass, in words."""
    if grown.size > bounds.size:
        return f"{bounds.size} bytes"
    if grown.lines > bounds.lines:
        return f"{bounds.lines} lines"
    if grown.weight > bounds.parts:
        weighed = f" (one that lies over others in its seqs counts for {OVERLAP_WEIGHT})" if grown.overlapping else ""
        return f"{bounds.parts} uploads that are not merged{weighed}"
    return None


def _with_last_words(bounds: Bounds) -> Bounds:
    return Bounds(size=bounds.size + LAST_BYTES, lines=bounds.lines + LAST_LINES, parts=bounds.parts + LAST_PARTS)


def _cut_line(seq: int, reached: str | None) -> LogLine:
    content = (
        f"The log was cut here: it has reached {reached}, the most that is kept of one job. "
        "Output that came later is not kept; the job went on.\n"
    )
    return line(seq=seq, stream="system", level="warn", content=content)
