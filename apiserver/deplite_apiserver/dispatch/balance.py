"""Spreads the agents' streams evenly over the replicas again, after these were restarted one after the other.

A replica that holds clearly more than its share closes a few of its streams, and their agents connect anew: wherever
the address in front of the replicas leads them, which may be here again. So a little is moved at a time, and looked
at again. Nothing is lost: what is in a stream is sent before it ends, and what comes meanwhile is sent on connect.
"""

import logging
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Protocol

from deplite.kube.cache import Cache
from deplite_apiserver.dispatch.streams import AgentKey, Streams
from deplite_apiserver.jobs.view import JobView, LiveJob
from deplite_apiserver.shared.others import Known

log = logging.getLogger(__name__)

SHARE = 0.1
FEW = 3
"""More than the average by this share of it, and by more streams than these: chance alone often does less."""
STEADY_SECONDS = 10.0
"""So long the same replicas must have been uneven: a replica that starts, stops or dies changes more than we move."""
MOST = 5
MOST_SHARE = 0.02
"""So many streams, or that share of all that are here, are closed in one round of three seconds."""
TRIES = 3
"""Where so many times as many were closed as would be needed, and not even half is gone, moving does not help: whatever
stands in front of the replicas leads agents back here."""
SETTLED_SECONDS = 20.0
"""A younger stream stays: its agent would wait for long before it comes back, for it could be part of a quarrel."""


def surplus(mine: int, others: Collection[int]) -> int:
    """Return how many streams would have to be closed, for the rest to be a fair share; 0 where it is one. Pure.

    Of those that are closed, the share of this replica comes back to it by chance; that is taken into account.

    Args:
        mine: streams that are open here.
        others: streams that are open at each other replica which takes new ones.
    """
    count = len(others) + 1
    average = (mine + sum(others)) / count
    excess = mine - average
    return math.ceil(excess * count / (count - 1)) if excess > max(FEW, SHARE * average) else 0


def at_once(wanted: int, mine: int) -> int:
    """Return how many of these to close in this round. Pure."""
    return min(wanted, max(MOST, int(MOST_SHARE * mine)))


class Steady:
    """Whether it has been like this for long enough to act."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Begin.

        Args:
            monotonic: seconds of a clock that never goes back.
        """
        self._monotonic = monotonic
        self._seen: tuple[frozenset[str], float] | None = None

    def uneven(self, replicas: Iterable[str]) -> bool:
        """Note that the load is uneven among replicas; says whether it has been so for a while."""
        now, names = self._monotonic(), frozenset(replicas)
        if self._seen is None or self._seen[0] != names:
            self._seen = (names, now)
        return now - self._seen[1] >= STEADY_SECONDS

    def even(self) -> None:
        """Note that it is not, or that nobody can say."""
        self._seen = None


class Effort:
    """Whether closing streams has helped so far: where agents come back to the same replica always, it never will."""

    def __init__(self) -> None:
        """Begin."""
        self._replicas: frozenset[str] = frozenset()
        self._wanted = self._closed = 0
        self.vain = False
        """It did not help, and will not until other replicas are there."""

    def worth(self, replicas: Iterable[str], wanted: int) -> bool:
        """Say whether to go on.

        Args:
            replicas: the other ones.
            wanted: how many streams would have to be closed by now.
        """
        names = frozenset(replicas)
        if names != self._replicas:
            self._replicas, self._wanted, self._closed, self.vain = names, wanted, 0, False
        elif self._closed >= TRIES * self._wanted:
            self.vain = self.vain or wanted > self._wanted / 2
            self._wanted, self._closed = wanted, 0
        return not self.vain

    def closed(self, count: int) -> None:
        """Note that so many were closed."""
        self._closed += count


class Loads(Protocol):
    """What is needed of the other replicas."""

    def loads(self) -> Mapping[str, int]:
        """Return how many streams each holds, of those that take new ones."""


class Balance:
    """Closes what this replica has too much of."""

    def __init__(
        self,
        *,
        streams: Streams,
        known: Callable[[], Iterable[Known]],
        others: Loads,
        jobs: Cache[JobView],
        takes: Callable[[], bool],
        monotonic: Callable[[], float],
    ) -> None:
        """Make it.

        Args:
            streams: the open streams.
            known: what this replica knows of agents: how long each stream has been open.
            others: the other replicas.
            jobs: the cache of jobs.
            takes: whether this replica takes new streams, and is not about to end.
            monotonic: seconds of a clock that never goes back.
        """
        self._streams, self._known, self._others, self._jobs, self._takes = streams, known, others, jobs, takes
        self._steady, self._effort = Steady(monotonic), Effort()

    def round(self) -> int:
        """Close some streams if that is due; called right after each exchange with the others, and never without one.

        Returns:
            How many were closed.
        """
        loads, mine = self._others.loads(), len(self._streams.agents())
        wanted = surplus(mine, loads.values()) if loads and self._takes() else 0
        if not wanted:
            self._steady.even()
            return 0
        if not self._steady.uneven(loads) or not self._goes_on(loads, wanted):
            return 0
        moved = sum(self._streams.release(agent) for agent in self._movable()[: at_once(wanted, mine)])
        self._effort.closed(moved)
        if moved:
            log.info(
                "%d streams of %d are to move; the other replicas hold %s",
                *(moved, mine, ", ".join(map(str, sorted(loads.values())))),
                extra={"action": "streams_moved", "streams": moved},
            )
        return moved

    def _goes_on(self, loads: Mapping[str, int], wanted: int) -> bool:
        before = self._effort.vain
        goes_on = self._effort.worth(loads, wanted)
        if self._effort.vain and not before:
            log.warning(
                "agents whose streams are closed here come back to this replica: none are moved any more until other "
                "replicas are there; does what stands in front of them spread connections?",
                extra={"action": "streams_sticky"},
            )
        return goes_on

    def _movable(self) -> list[AgentKey]:
        """Return the agents that may be moved: first those without a job, and of these whose stream is oldest."""
        found = []
        for one in self._known():
            if one.stream_age is None or one.stream_age < SETTLED_SECONDS:
                continue
            live = [job for job in self._jobs.by("agent", one.agent) if isinstance(job, LiveJob)]
            if not any(job.queued and not job.waits_for_group for job in live):
                found.append((bool(live), -one.stream_age, one.agent))
        return [agent for *_, agent in sorted(found)]
