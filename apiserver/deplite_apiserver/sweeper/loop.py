"""The one loop: gathers facts, asks the policies, and does what they say, while this replica holds the Lease.

Whatever a duty writes goes by a client and a bucket that refuse once the Lease is over (`KubeClient.fenced`): a replica
that stood still past it, and wakes in the middle of a duty, writes nothing.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from deplite.kube.cache import Cache
from deplite.kube.errors import KubeError, UnavailableError
from deplite.kube.lease import LeaseLostError
from deplite.protocol.phases import Reason
from deplite.resources.agent import Agent
from deplite_apiserver.dispatch.duplicates import Duplicates
from deplite_apiserver.dispatch.hearing import Hearing
from deplite_apiserver.dispatch.presence import AgentStore, Presence
from deplite_apiserver.dispatch.sent import Sent
from deplite_apiserver.errors import UnavailableError as ApiUnavailableError
from deplite_apiserver.jobs.transition import Ended, Transitions, Verdict
from deplite_apiserver.jobs.view import JobView, LiveJob
from deplite_apiserver.storage.objects import StorageUnavailableError
from deplite_apiserver.sweeper.confirming import AgentReader, Confirming
from deplite_apiserver.sweeper.crowds import Crowds
from deplite_apiserver.sweeper.deadlines import LOST_SECONDS, Facts, may_be_unsent, unanswered, verdict
from deplite_apiserver.sweeper.files import Files
from deplite_apiserver.sweeper.leftovers import Leftovers
from deplite_apiserver.sweeper.retire import Retirement
from deplite_apiserver.sweeper.schedules import Schedules
from deplite_apiserver.sweeper.strays import Strays
from deplite_apiserver.sweeper.tally import Tally
from deplite_apiserver.sweeper.turns import Turns
from deplite_apiserver.sweeper.unhurried import unhurried

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Periods:
    """Seconds between two rounds of each duty."""

    deadlines: float = 2.0
    presence: float = 5.0
    tally: float = 1.0
    retirement: float = 15.0
    leftovers: float = 60.0
    crowds: float = 15.0
    schedules: float = 1.0
    files: float = 60.0
    strays: float = 300.0
    measured: float = 30.0


class SweptStore(AgentStore, AgentReader, Protocol):
    """What is needed of `KubeClient`."""


class Held(Protocol):
    """What is needed of a Lease."""

    async def acquire(self) -> None:
        """Wait until it is ours."""

    async def hold(self) -> None:
        """Renew it until that fails; raises `LeaseLostError`."""


class Sweeper:
    """Does what has to happen because time passed."""

    def __init__(
        self,
        *,
        lease: Held,
        store: SweptStore,
        jobs: Cache[JobView],
        agents: Cache[Agent],
        hearing: Hearing,
        presence: Presence,
        duplicates: Duplicates,
        sent: Sent,
        told: Sent,
        transitions: Transitions,
        tally: Tally,
        retirement: Retirement,
        leftovers: Leftovers,
        crowds: Crowds,
        turns: Turns,
        schedules: Schedules,
        files: Files,
        strays: Strays,
        now: Callable[[], datetime],
        observe: Callable[[str, bool, float], None] = lambda duty, done, seconds: None,
        lost_seconds: float = LOST_SECONDS,
        periods: Periods | None = None,
    ) -> None:
        """Make the loop; `run` starts it.

        Args:
            lease: elects the one that acts.
            store: where states of agents are written; refuses once the Lease is over.
            jobs: the cache of jobs.
            agents: the cache of agents.
            hearing: the clock of silence.
            presence: when agents were last heard of.
            duplicates: shows that two processes use one identity.
            sent: what was sent when.
            told: what agents were told to stop when.
            transitions: ends jobs.
            tally: writes the counters of triggers.
            retirement: takes care of finished jobs.
            leftovers: removes what was left half made.
            crowds: merges the logs of many parts.
            turns: gives the jobs of concurrency groups their turns.
            schedules: fires scheduled triggers.
            files: removes files whose time is over.
            strays: removes objects of files that nothing names, and measures them.
            now: the present moment in UTC.
            observe: is told of each round of a duty: which, whether it was done, and how many seconds it took.
            lost_seconds: silence of an agent after which its running jobs are lost.
            periods: how often.
        """
        self._lease, self._store, self._jobs, self._agents, self._hearing = lease, store, jobs, agents, hearing
        self._presence, self._sent, self._told, self._transitions = presence, sent, told, transitions
        self._tally, self._retirement, self._leftovers = tally, retirement, leftovers
        self._duplicates, self._crowds, self._turns = duplicates, crowds, turns
        self._schedules, self._files, self._strays = schedules, files, strays
        self._now, self._lost_seconds, self._periods = now, lost_seconds, periods or Periods()
        self._observe = observe
        self._beside: list[Callable[[], Coroutine[Any, Any, None]]] = []

    def beside(self, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Have something else run, too, whenever the Lease is ours; it never ends by itself, and never fails."""
        self._beside.append(run)

    async def run(self) -> None:
        """Act whenever the Lease is ours, for ever."""
        while True:
            await self._lease.acquire()
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._lease.hold())
                    group.create_task(self._turns.run())
                    for run in self._beside:
                        group.create_task(run())
                    for name, seconds, duty in self._duties():
                        group.create_task(self._every(name, seconds, duty))
            except* LeaseLostError as lost:
                log.warning("%s", lost.exceptions[0], extra={"action": "lease_lost"})

    async def round(self) -> None:
        """Do every duty once, now; `run` does each in its own time."""
        for _, _, duty in self._duties():
            await duty()

    def _duties(self) -> list[tuple[str, float, Callable[[], Awaitable[None]]]]:
        periods = self._periods
        return [
            ("deadlines", periods.deadlines, self.end_overdue),
            ("presence", periods.presence, self.settle_agents),
            ("duplicates", periods.presence, self._duplicates.settle),
            ("tally", periods.tally, self._tally.flush),
            ("retirement", periods.retirement, self._retirement.round),
            ("leftovers", periods.leftovers, self._leftovers.round),
            ("crowds", periods.crowds, self._crowds.round),
            ("schedules", periods.schedules, self._schedules.round),
            ("files", periods.files, self._files.round),
            ("strays", periods.strays, self._strays.round),
            ("measured", periods.measured, self._strays.tell),
        ]

    async def end_overdue(self) -> None:
        """End the jobs whose time is over, or whose agent is gone."""
        now = self._now()
        unknown, cluster = await self._learn(now), Confirming(self._store)
        async for job in unhurried(self._jobs.by("unfinished", True)):
            if isinstance(job, LiveJob) and (end := self._end(job, now)) is not None:
                if end.reason is Reason.EXPIRED and job.uid in unknown:
                    continue  # perhaps another replica has sent it
                if not await cluster.confirms(job, end.reason):
                    continue
                try:
                    ended = await self._transitions.apply(job.namespace, job.name, end, uid=job.uid)
                except UnavailableError:
                    raise
                except KubeError as error:  # gone, or this one cannot be written: the others still can
                    log.warning(
                        "job %s not ended: %s", job.name, error, extra={"action": "end_failed", "jobId": job.name}
                    )
                    continue
                if ended is Verdict.APPLIED:
                    log.info(
                        "job %s ended: %s",
                        job.name,
                        end.reason,
                        extra={"action": "job_ended", "jobId": job.name, "reason": end.reason},
                    )

    async def _learn(self, now: datetime) -> set[str]:
        """Hear what only other replicas may know of jobs that are about to end; returns the uids of those unknown."""
        unsent, untold = [], []
        async for job in unhurried(self._jobs.by("unfinished", True)):
            if isinstance(job, LiveJob):
                if may_be_unsent(job, now) and self._sent.age(job) is None:
                    unsent.append(job)
                if not job.queued and job.cancel is not None and self._told.age(job) is None:
                    untold.append(job)
        try:
            await self._sent.learn(unsent)
            await self._told.learn(untold)
        except ApiUnavailableError:
            return {job.uid for job in unsent}
        return set()

    def _end(self, job: LiveJob, now: datetime) -> Ended | None:
        facts = self._facts(job)
        if (reason := verdict(job, facts, now)) is not None:
            return Ended(reason=reason, at=self._now())
        if (reason := unanswered(job, facts, now)) is not None:
            return Ended(reason=reason, at=self._now(), unanswered=True)
        return None

    async def settle_agents(self) -> None:
        """Write the state of the agents that came or went."""
        for listed in self._agents.values():
            agent = self._agents.get(*listed.key)  # as it is by now: each write before this one took its time
            if agent is not None and not await self._presence.settle(agent, self._store):
                return

    def _facts(self, job: LiveJob) -> Facts:
        return Facts(
            agent=self._agents.get(job.namespace, job.agent),
            silence=self._presence.silence((job.namespace, job.agent)),
            sent_age=self._sent.age(job),
            listening=self._hearing.silence(None),
            lost_after=self._lost_seconds,
            told_age=self._told.age(job),
        )

    async def _every(self, name: str, seconds: float, duty: Callable[[], Awaitable[None]]) -> None:
        """Do a duty again and again; when something is away, the next round does what this one could not."""
        while True:
            began, done = time.monotonic(), False
            try:
                await duty()
                done = True
            except (KubeError, StorageUnavailableError) as error:
                log.warning("sweep: %s", error, extra={"action": "sweep_failed", "duty": name})
            except Exception:  # one object that nobody foresaw must not end the duties that keep all others going
                log.exception("a sweep failed", extra={"action": "sweep_failed", "duty": name})
            self._observe(name, done, time.monotonic() - began)
            await asyncio.sleep(seconds)
