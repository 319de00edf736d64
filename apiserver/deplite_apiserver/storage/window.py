"""The first lines of a log from a seq on, found while its pieces are read one after another. Pure."""

from collections.abc import Iterable

from deplite_apiserver.logs.lines import LogLine

Rank = tuple[float, str]


class Window:
    """Holds a page and the piece just read, and no more: lines that lie further on are let go of, and read again later.

    Seqs may be sparse, reversed and doubled over all pieces; of one seq, the line of the lowest rank counts.
    """

    def __init__(self, from_seq: int, *, lines: int, size: int) -> None:
        """Make it.

        Args:
            from_seq: where the page begins.
            lines: how many lines it has at most.
            size: how many characters of content; one line at least, however long.
        """
        self._from_seq, self._most, self._most_size = from_seq, lines, size
        self._found: dict[int, tuple[Rank, LogLine]] = {}
        self._size = 0
        self._end: int | None = None
        """The lowest seq that was let go of: the page ends before it."""

    def add(self, rank: Rank, lines: Iterable[LogLine]) -> None:
        """Take the lines of one piece."""
        for one in lines:
            seq = one["seq"]
            if seq < self._from_seq or (self._end is not None and seq >= self._end):
                continue
            known = self._found.get(seq)
            if known is None or rank < known[0]:
                self._size += len(one["content"]) - (len(known[1]["content"]) if known else 0)
                self._found[seq] = (rank, one)
        self._let_go()

    def complete(self, following: int | None) -> bool:
        """Whether nothing that is still unread can change the page.

        Args:
            following: the lowest seq of what is unread; None where nothing is.
        """
        if following is None:
            return True
        full = self._end is not None or len(self._found) == self._most
        return full and max(self._found) < following

    def page(self) -> list[LogLine]:
        """Return the lines, by seq."""
        return [self._found[seq][1] for seq in sorted(self._found)]

    def _let_go(self) -> None:
        if len(self._found) <= self._most and self._size <= self._most_size:
            return
        size = 0
        for number, seq in enumerate(sorted(self._found)):
            size += len(self._found[seq][1]["content"])
            if number >= 1 and (number >= self._most or size > self._most_size):
                self._end = seq
                break
        if self._end is not None:
            self._found = {seq: found for seq, found in self._found.items() if seq < self._end}
            self._size = sum(len(one["content"]) for _, one in self._found.values())
