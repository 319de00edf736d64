"""Everything about jobs, put together: the app makes one desk, runs it, and endpoints ask it."""

import asyncio
from collections.abc import Iterable
from itertools import chain

from deplite.kube.client import KubeClient
from deplite.kube.lease import Lease
from deplite.resources.apitoken import ApiToken
from deplite.resources.enrollmenttoken import EnrollmentToken
from deplite_apiserver.caches import Caches
from deplite_apiserver.clock import Clock
from deplite_apiserver.dispatch.dispatcher import Dispatcher
from deplite_apiserver.dispatch.hearing import TICK_SECONDS, Hearing
from deplite_apiserver.dispatch.presence import Presence
from deplite_apiserver.dispatch.sent import Sent
from deplite_apiserver.dispatch.streams import AgentKey, Streams
from deplite_apiserver.jobs.lookup import Lookup
from deplite_apiserver.jobs.quota import seed
from deplite_apiserver.jobs.reports import Reports
from deplite_apiserver.jobs.run import Runs
from deplite_apiserver.jobs.transition import Transitions
from deplite_apiserver.jobs.waiters import Waiters
from deplite_apiserver.limits.memory import MemoryLimiter
from deplite_apiserver.serverkeys import ServerKeys
from deplite_apiserver.storage.archive import Archive
from deplite_apiserver.storage.logstore import LogStore
from deplite_apiserver.storage.objects import ObjectStore
from deplite_apiserver.sweeper.leftovers import Leftovers
from deplite_apiserver.sweeper.loop import Sweeper
from deplite_apiserver.sweeper.retire import Retirement
from deplite_apiserver.sweeper.tally import Tally

LEASE_NAME = "deplite-apiserver-sweeper"


class Desk:
    """The jobs' part of one replica.

    Attributes:
        runs: accepts runs.
        lookup: finds jobs.
        reports: takes what agents report.
        logs: takes and gives log lines.
        streams: the agents' open streams.
        presence: when agents were last heard of.
        dispatcher: sends jobs, and asks agents to report their workflows.
        waiters: requests that wait for the end of a job.
        sweeper: does what has to happen because time passed.
    """

    def __init__(
        self,
        *,
        kube: KubeClient,
        caches: Caches,
        clock: Clock,
        limiter: MemoryLimiter,
        keys: ServerKeys,
        store: ObjectStore,
        lease: Lease,
    ) -> None:
        """Put the parts together; `run` starts them.

        Args:
            kube: the Kubernetes API.
            caches: the local copies; run by the app.
            clock: the time.
            limiter: the rate windows, which are seeded from the jobs that exist.
            keys: what jobs are signed with.
            store: the bucket for logs and archived jobs; closed by the app.
            lease: elects the replica that sweeps.
        """
        self._caches, self._clock, self._limiter, self._lease = caches, clock, limiter, lease
        jobs, agents, triggers = caches.jobs, caches.agents, caches.triggers
        transitions = Transitions(kube, jobs.note)
        archive = Archive(store)
        self._sent = Sent(clock.monotonic)
        self._hearing = Hearing(clock.monotonic)
        self.logs = LogStore(store, clock.monotonic)
        self.waiters = Waiters(jobs)
        self.streams = Streams()
        self.lookup = Lookup(store=kube, jobs=jobs, find=caches.find, archive=archive)
        self.reports = Reports(lookup=self.lookup, transitions=transitions, now=clock.now)
        self.runs = Runs(store=kube, jobs=jobs, limiter=limiter, waiters=self.waiters)
        self.presence = Presence(
            store=kube,
            streams=self.streams,
            hearing=self._hearing,
            monotonic=clock.monotonic,
            now=clock.now,
            note=agents.note,
        )
        self.dispatcher = Dispatcher(
            jobs=jobs,
            agents=agents,
            triggers=triggers,
            streams=self.streams,
            sent=self._sent,
            keys=keys,
            transitions=transitions,
            now=clock.now,
        )
        self._tally = Tally(store=kube, jobs=jobs, triggers=triggers, monotonic=clock.monotonic)
        self.sweeper = Sweeper(
            lease=lease,
            jobs=jobs,
            agents=agents,
            hearing=self._hearing,
            presence=self.presence,
            sent=self._sent,
            transitions=transitions,
            tally=self._tally,
            retirement=Retirement(
                store=kube, jobs=jobs, logs=self.logs, archive=archive, now=clock.now, monotonic=clock.monotonic
            ),
            leftovers=Leftovers(store=kube, credentials=self._credentials, now=clock.now),
            now=clock.now,
        )

    def heard(self, agent: AgentKey) -> None:
        """Note that a signed call of an agent just came."""
        self.presence.touch(agent)

    async def run(self) -> None:
        """Do all that goes on beside requests, for ever; begins when the caches are complete."""
        await asyncio.gather(*(cache.wait_synced() for cache in self._caches.all()))
        seed(self._caches.jobs.values(), self._limiter.seed, self._clock.now())
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            group.create_task(self.presence.run(self._caches.agents.get))
            group.create_task(self.dispatcher.run())
            group.create_task(self.sweeper.run())

    def stop(self) -> None:
        """Close all streams and let waiting callers go, at once: the process is about to end."""
        self.streams.stop()
        self.waiters.stop()

    async def close(self) -> None:
        """Write what is counted and give up the Lease; `run` has been cancelled."""
        self.stop()
        if self._lease.held:
            await self._tally.flush(all_of_them=True)
            await self._lease.release()

    async def _listen(self) -> None:
        while True:
            self._hearing.tick(max(cache.heard_at for cache in self._caches.all()))
            await asyncio.sleep(TICK_SECONDS)

    def _credentials(self) -> Iterable[ApiToken | EnrollmentToken]:
        return chain(self._caches.tokens.values(), self._caches.enrollments.values())
