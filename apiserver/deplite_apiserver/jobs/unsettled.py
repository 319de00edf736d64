"""Runs whose create got no clear answer: each keeps its place in the rate windows until it is known whether it exists.

Given back at once, the place would let one run too many through where the job was stored after all; kept for good, the
repeats of one caller while the cluster is in trouble would use up a day's limit with runs that never were.

Each replica settles what it counted itself: a create without an answer here and its repeat at another replica hold two
places for the one job that was stored, until the window ends. That admits a run less, never one more.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from deplite.kube.errors import KubeError, NotFoundError, UnavailableError
from deplite.resources.deployjob import DeployJob
from deplite_apiserver.limits.limiter import Reservation

log = logging.getLogger(__name__)

SETTLE_SECONDS = 3.0
"""After a create was given up, and again between the two looks that must both miss the job: a create and a look that
lie together in the sockets of a stopped API server are answered in any order."""
ROUND_SECONDS = 1.0
MOST = 1000
"""Jobs that are looked after; what is beyond stays counted."""

Key = tuple[str, str]
"""Namespace and name of a job."""


class JobReader(Protocol):
    """What is needed of `KubeClient`."""

    async def get(self, kind: type[DeployJob], namespace: str, name: str) -> DeployJob:
        """Return the job."""


@dataclass(kw_only=True)
class _Held:
    since: float
    missed: bool = False
    """Whether it was not there at `since`."""
    places: list[Reservation] = field(default_factory=list)
    """One for each create of that name that got no clear answer; at most one of them was stored."""


class Unsettled:
    """One replica's."""

    def __init__(
        self, *, store: JobReader, give_back: Callable[[Reservation], Awaitable[None]], monotonic: Callable[[], float]
    ) -> None:
        """Make it; `run` looks.

        Args:
            store: where jobs are.
            give_back: frees a place in the rate windows.
            monotonic: seconds of a clock that never goes back.
        """
        self._store, self._give_back, self._monotonic = store, give_back, monotonic
        self._held: dict[Key, _Held] = {}

    def hold(self, job: Key, place: Reservation) -> None:
        """Keep the place of a run that may have been stored."""
        if not place.counted or (len(self._held) >= MOST and job not in self._held):
            return
        held = self._held.setdefault(job, _Held(since=0.0))
        held.since, held.missed = self._monotonic(), False
        held.places.append(place)

    async def created(self, job: Key) -> None:
        """Hear that the job was made only now: no create before was stored."""
        if (held := self._held.pop(job, None)) is not None:
            for place in held.places:
                await self._give_back(place)

    async def run(self) -> None:
        """Look, for ever."""
        while True:
            await asyncio.sleep(ROUND_SECONDS)
            try:
                await self.look()
            except Exception:
                log.exception("places of runs not settled", extra={"action": "places_not_settled"})

    async def look(self) -> None:
        """Settle what is old enough, as far as the cluster answers."""
        due = self._monotonic() - SETTLE_SECONDS
        for job, since in [(job, held.since) for job, held in self._held.items() if held.since <= due]:
            try:
                exists = await self._exists(job)
            except UnavailableError:
                return  # nothing is known; the next round asks again
            except KubeError as error:
                log.warning("%s/%s stays counted: %s", *job, error, extra={"action": "place_not_settled"})
                self._held.pop(job, None)
                continue
            held = self._held.get(job)
            if held is not None and held.since == since:
                await self._settle(job, held, exists)

    async def _settle(self, job: Key, held: _Held, exists: bool) -> None:
        if not exists and not held.missed:
            held.since, held.missed = self._monotonic(), True
            return
        del self._held[job]
        for place in held.places[1:] if exists else held.places:
            await self._give_back(place)

    async def _exists(self, job: Key) -> bool:
        try:
            await self._store.get(DeployJob, *job)
        except NotFoundError:
            return False
        return True
