"""Which stretches of seqs the parts of a log lie over, and how many of them lay over others when they came. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from deplite_apiserver.logs.lines import MAX_RANGES


class Spans:
    """Stretches from the lowest seq of a part to its highest, whatever lies in between; a whole log in order is one.

    Of very many stretches the lowest two are taken for one, so that no log can fill the memory: parts in the gap then
    count as lying over others, and never the other way round.
    """

    def __init__(self, stretches: Iterable[tuple[int, int]] = (), *, most: int = MAX_RANGES) -> None:
        """Make it.

        Args:
            stretches: first and last seq of parts, in the order in which they came.
            most: how many stretches are told apart.
        """
        self._most = most
        self._starts: list[int] = []
        self._lasts: list[int] = []
        self.overlapping = 0
        """How many lay over others when they were added."""
        for first, last in stretches:
            self.add(first, last)

    def cross(self, first: int, last: int) -> bool:
        """Whether a part would lie over others."""
        index = bisect_right(self._starts, last) - 1
        return index >= 0 and self._lasts[index] >= first

    def add(self, first: int, last: int) -> None:
        """Put a part in."""
        self.overlapping += self.cross(first, last)
        low = bisect_left(self._lasts, first - 1)  # one that ends right before it is the same stretch
        high = bisect_right(self._starts, last + 1)
        if low < high:
            first, last = min(first, self._starts[low]), max(last, self._lasts[high - 1])
        self._starts[low:high], self._lasts[low:high] = [first], [last]
        if len(self._starts) > self._most:
            del self._starts[1], self._lasts[0]

    def __len__(self) -> int:
        """Return how many stretches there are."""
        return len(self._starts)
