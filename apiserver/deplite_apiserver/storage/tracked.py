"""What a replica remembers of logs: which seqs it has seen, and how long they are. Bounded over all of them."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from deplite_apiserver.logs.bounds import NOTHING, Extent
from deplite_apiserver.logs.lines import SeqSet
from deplite_apiserver.logs.spans import Spans
from deplite_apiserver.storage.pieces import LogName, Piece

MAX_LOGS = 4096
MAX_HELD = 200_000
"""Ranges of seqs and pieces of all logs together; an ordinary log has two ranges."""


@dataclass(kw_only=True)
class Tracked:
    """What this replica knows of one log."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    known: SeqSet = field(default_factory=SeqSet)
    """Seqs that are stored; not all where they are sparse: one may then be stored twice, and the first counts."""
    unread: list[Piece] | None = None
    """Pieces written before this process knew the log; None: not listed yet."""
    extent: Extent = NOTHING
    spans: Spans = field(default_factory=Spans)
    """What its parts lie over."""
    cut_at: int | None = None
    """The seq under which the log was cut, if it was."""
    read_at: float = float("-inf")
    crowd: int = 0
    """The weight of its parts when it was last called crowded."""
    held: int = 0
    """Its share of `MAX_HELD`."""


class TrackedLogs:
    """Logs by the time of their last use; what is forgotten is listed again when it is needed."""

    def __init__(self) -> None:
        self._logs: OrderedDict[LogName, Tracked] = OrderedDict()
        self._held = 0
        self._shares: Counter[str] = Counter()
        """What the logs of each organization hold."""

    def get(self, name: LogName) -> Tracked | None:
        """Return what is known of a log, if anything is."""
        return self._logs.get(name)

    def use(self, name: LogName) -> Tracked:
        """Return what is known of a log, beginning with nothing."""
        tracked = self._logs.setdefault(name, Tracked())
        self._logs.move_to_end(name)
        self._forget(name)
        return tracked

    def weigh(self, name: LogName, tracked: Tracked) -> None:
        """Count what a log holds by now; others are forgotten for it, those of the organization that holds the most."""
        if self._logs.get(name) is not tracked:
            return  # forgotten meanwhile: what it holds goes with it
        held = len(tracked.known) + len(tracked.unread or ()) + len(tracked.spans)
        self._count(name, held - tracked.held)
        tracked.held = held
        self._forget(name)

    def items(self) -> Iterator[tuple[LogName, Tracked]]:
        """Return all of them."""
        return iter(list(self._logs.items()))

    def _forget(self, used: LogName) -> None:
        while (name := self._one_too_many(used)) is not None:
            self._count(name, -self._logs.pop(name).held)

    def _one_too_many(self, used: LogName) -> LogName | None:
        """Return a log to forget: where they hold too much, one of the organization that holds the most."""
        found: LogName | None = None
        if self._held > MAX_HELD:
            [(largest, _)] = self._shares.most_common(1)
            theirs = (name for name, one in self._logs.items() if name.organization == largest and one.held)
            found = self._oldest(theirs, used)
        if found is None and len(self._logs) > MAX_LOGS:
            found = self._oldest(self._logs, used)
        return found

    def _oldest(self, names: Iterable[LogName], used: LogName) -> LogName | None:
        """Return the first of them that may be forgotten: nobody writes it now, or is about to."""
        return next((name for name in names if name != used and not self._logs[name].lock.locked()), None)

    def _count(self, name: LogName, more: int) -> None:
        self._held += more
        self._shares[name.organization] += more
        if not self._shares[name.organization]:
            del self._shares[name.organization]
