"""Everything about jobs, put together: the app makes one desk, runs it, and endpoints ask it."""

import asyncio
import contextlib
import logging
import secrets
import socket
from collections.abc import Iterable
from functools import partial
from itertools import chain

from deplite.kube.client import KubeClient
from deplite.kube.lease import Lease
from deplite.resources.agent import Agent
from deplite.resources.apitoken import ApiToken
from deplite.resources.deployjob import DeployJob
from deplite.resources.enrollmenttoken import EnrollmentToken
from deplite_apiserver.caches import Caches
from deplite_apiserver.clock import Clock
from deplite_apiserver.dispatch import cutoff
from deplite_apiserver.dispatch.dispatcher import Dispatcher
from deplite_apiserver.dispatch.duplicates import Duplicates
from deplite_apiserver.dispatch.hearing import TICK_SECONDS, Hearing
from deplite_apiserver.dispatch.neighbours import Neighbours
from deplite_apiserver.dispatch.presence import Presence
from deplite_apiserver.dispatch.streams import AgentKey, Streams
from deplite_apiserver.jobs.cancel import Cancels
from deplite_apiserver.jobs.listing import Listing
from deplite_apiserver.jobs.lookup import Lookup
from deplite_apiserver.jobs.recent import Recent
from deplite_apiserver.jobs.replaced import Replacements
from deplite_apiserver.jobs.reports import Reports
from deplite_apiserver.jobs.run import Runs
from deplite_apiserver.jobs.steps import Steps
from deplite_apiserver.jobs.transition import Transitions
from deplite_apiserver.jobs.unsettled import Unsettled
from deplite_apiserver.jobs.waiters import Waiters
from deplite_apiserver.jobs.waiting import Waiting, waiting_for
from deplite_apiserver.limits.room import Room
from deplite_apiserver.logs.distant import DistantFollowers
from deplite_apiserver.logs.follow import Followers
from deplite_apiserver.logs.intake import bounds_of
from deplite_apiserver.metrics.jobs import JobMeter
from deplite_apiserver.metrics.metrics import Metrics
from deplite_apiserver.serverkeys import ServerKeys
from deplite_apiserver.settings import Settings
from deplite_apiserver.shared.state import Shared
from deplite_apiserver.storage.archive import Archive
from deplite_apiserver.storage.history import History
from deplite_apiserver.storage.logstore import LogStore
from deplite_apiserver.storage.objects import FenceableStore
from deplite_apiserver.sweeper.crowds import Crowds
from deplite_apiserver.sweeper.files import Files
from deplite_apiserver.sweeper.leftovers import Leftovers
from deplite_apiserver.sweeper.loop import Sweeper
from deplite_apiserver.sweeper.retire import Retirement
from deplite_apiserver.sweeper.schedules import Schedules
from deplite_apiserver.sweeper.strays import Strays
from deplite_apiserver.sweeper.tally import Tally
from deplite_apiserver.sweeper.turns import Turns

log = logging.getLogger(__name__)

CLOSE_SECONDS = 2.0
"""How long the end waits for counts to be written and the Lease to be given up."""
LEASE_NAME = "deplite-apiserver-sweeper"


class Desk:
    """The jobs' part of one replica.

    Attributes:
        runs: accepts runs.
        recent: jobs as this replica last wrote them.
        lookup: finds jobs.
        listing: lists an organization's jobs.
        cancels: takes the wish that a job stops.
        reports: takes what agents report.
        logs: takes and gives log lines.
        steps: which step each running job is in.
        followers: requests that follow a log.
        streams: the agents' open streams.
        hearing: since when we have been able to hear agents.
        presence: when agents were last heard of.
        dispatcher: sends jobs, and asks agents to report their workflows.
        waiters: requests that wait for the end of a job.
        sweeper: does what has to happen because time passed.
        swept: the Kubernetes API for what only the holder of the sweeper's Lease does: refuses writes of any other.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        kube: KubeClient,
        caches: Caches,
        clock: Clock,
        shared: Shared,
        server_keys: ServerKeys,
        room: Room,
        store: FenceableStore,
        metrics: Metrics,
        lease: Lease | None = None,
    ) -> None:
        """Put the parts together; `run` starts them.

        Args:
            settings: times, and the parts' namespace.
            kube: the Kubernetes API.
            caches: the local copies; run by the app.
            clock: the time.
            shared: what all replicas have together.
            server_keys: what jobs are signed with.
            room: how much an organization may have.
            store: the bucket for logs and archived jobs; closed in the end.
            metrics: told of streams, of what becomes of runs and jobs, and of the sweeper's rounds.
            lease: elects the replica that sweeps; None: the one of the parts' namespace.
        """
        lease = lease or Lease(kube, settings.system_namespace, LEASE_NAME, _identity())
        self._kube, self._caches, self._clock, self._shared, self._room = kube, caches, clock, shared, room
        self._store, self._lease, self._installation, self._metrics = store, lease, server_keys.installation, metrics
        self.swept, self._swept_bucket = kube.fenced(lambda: lease.left), store.fenced(lambda: lease.left)
        self._running: asyncio.Task[None] | None = None
        jobs = caches.jobs
        self.recent = Recent()
        self._moved = JobMeter(metrics, jobs, clock.monotonic).moved
        transitions = Transitions(kube, jobs.note, self.recent, self._moved)
        self.cancels = Cancels(kube, jobs.note)
        self.hearing = Hearing(clock.monotonic)
        self.logs = LogStore(store, clock.monotonic, bounds_of(settings), swept=self._swept_bucket)
        self.steps = Steps(clock.now, shared.bells)
        self.followers = Followers(self.logs, jobs, distant=DistantFollowers(shared.bells, self.logs))
        self.waiters, self.streams = Waiters(jobs), Streams(metrics)
        self.lookup = Lookup(store=kube, jobs=jobs, find=partial(caches.find, jobs), archive=Archive(store))
        self.reports = Reports(lookup=self.lookup, transitions=transitions, now=clock.now)
        self._replacements = Replacements(jobs=jobs, transitions=transitions, now=clock.now)
        give_back = shared.limiter.give_back
        self._unsettled = Unsettled(store=kube, give_back=give_back, monotonic=clock.monotonic)
        self.runs = self._accepting(kube, settings.sync_seconds)
        self._scheduled = self._accepting(self.swept, settings.sync_seconds)
        self.presence = self._presence(settings.lost_seconds)
        self._duplicates = self._showing_duplicates()
        self.dispatcher = self._dispatcher(transitions, server_keys)
        self._tally = Tally(store=self.swept, jobs=jobs, triggers=caches.triggers, monotonic=clock.monotonic)
        self.listing = Listing(jobs, History(store))
        self.sweeper = self._sweeper(Transitions(self.swept, jobs.note, self.recent, self._moved), settings)
        cut_off = Lease(kube, settings.system_namespace, cutoff.LEASE_NAME, lease.identity)
        self._neighbours = self._hearing_others(cut_off)

    def _accepting(self, kube: KubeClient, sync_seconds: float) -> Runs:
        return Runs(
            store=kube,
            jobs=self._caches.jobs,
            limiter=self._shared.limiter,
            unsettled=self._unsettled,
            waiters=self.waiters,
            recent=self.recent,
            room=self._room.for_job,
            sync_seconds=sync_seconds,
            monotonic=self._clock.monotonic,
            metrics=self._metrics,
        )

    def _showing_duplicates(self) -> Duplicates:
        return Duplicates(
            store=self._kube,
            swept=self.swept,
            agents=self._caches.agents,
            streams=self.streams,
            monotonic=self._clock.monotonic,
            now=self._clock.now,
        )

    def _presence(self, lost_seconds: float) -> Presence:
        return Presence(
            store=self._kube,
            streams=self.streams,
            hearing=self.hearing,
            others=self._shared.others,
            monotonic=self._clock.monotonic,
            now=self._clock.now,
            note=self._caches.agents.note,
            silent_seconds=lost_seconds * 6 / 7,
        )

    def _hearing_others(self, cut_off: Lease) -> Neighbours:
        return Neighbours(
            shared=self._shared,
            lease=cut_off,
            caches=self._caches,
            streams=self.streams,
            presence=self.presence,
            duplicates=self._duplicates,
            dispatcher=self.dispatcher,
            measured=self._room.measured,
            admits=lambda: self.runs.admits,
            monotonic=self._clock.monotonic,
        )

    def _dispatcher(self, transitions: Transitions, server_keys: ServerKeys) -> Dispatcher:
        return Dispatcher(
            jobs=self._caches.jobs,
            agents=self._caches.agents,
            triggers=self._caches.triggers,
            streams=self.streams,
            sent=self._shared.sent,
            told=self._shared.told,
            keys=server_keys,
            transitions=transitions,
            reread=self._caches.reread,
            now=self._clock.now,
        )

    def _sweeper(self, transitions: Transitions, settings: Settings) -> Sweeper:
        return Sweeper(
            lease=self._lease,
            store=self.swept,
            jobs=self._caches.jobs,
            agents=self._caches.agents,
            hearing=self.hearing,
            presence=self.presence,
            duplicates=self._duplicates,
            sent=self._shared.sent,
            told=self._shared.told,
            transitions=transitions,
            tally=self._tally,
            retirement=Retirement(
                store=self.swept,
                jobs=self._caches.jobs,
                logs=self.logs,
                archive=Archive(self._swept_bucket),
                history=History(self._swept_bucket),
                now=self._clock.now,
                monotonic=self._clock.monotonic,
            ),
            leftovers=self._leftovers(),
            crowds=Crowds(self.logs, self._clock.monotonic),
            turns=Turns(
                lease=self._lease,
                jobs=self._caches.jobs,
                transitions=transitions,
                cancels=Cancels(self.swept, self._caches.jobs.note),
                now=self._clock.now,
            ),
            schedules=Schedules(
                lease=self._lease,
                store=self.swept,
                triggers=self._caches.triggers,
                agents=self._caches.agents,
                runs=self._scheduled,
                now=self._clock.now,
            ),
            files=Files(
                store=self.swept,
                bucket=self._swept_bucket,
                files=self._caches.files,
                jobs=self._caches.jobs,
                clock=self._clock,
            ),
            strays=Strays(
                store=self.swept,
                bucket=self._swept_bucket,
                files=self._caches.files,
                clock=self._clock,
                installation=self._installation,
                measured=self._room.measured,
                max_file_bytes=settings.max_file_bytes,
            ),
            now=self._clock.now,
            observe=self._metrics.swept,
            lost_seconds=settings.lost_seconds,
        )

    @property
    def leads(self) -> bool:
        """Whether this replica holds the sweeper's Lease: the one that acts by itself."""
        return self._lease.held

    @property
    def left(self) -> float:
        """For how many seconds more this replica is, unless its Lease is renewed."""
        return self._lease.left

    @property
    def identity(self) -> str:
        """Who this replica is as the Lease's holder."""
        return self._lease.identity

    @property
    def unheard(self) -> bool:
        """Whether agents have to call another replica: nobody would hear of what they call here."""
        return self._neighbours.unheard

    def heard(self, agent: AgentKey) -> None:
        """Note that a signed call of an agent just came."""
        self.presence.touch(agent)

    def revoked(self, agent: AgentKey) -> None:
        """Tell a revoked agent, close its stream, and forget when it was heard of; its jobs are swept."""
        self.dispatcher.dismiss(agent)
        self.presence.forget(agent)

    async def replaced(self, agent: Agent) -> None:
        """End the running jobs that former pods of an agent had claimed.

        Raises:
            KubeError: the cluster cannot be asked.
        """
        await self._replacements.settle(agent)

    def waiting_for(self, job: DeployJob) -> Waiting | None:
        """Say what a job waits for, if it waits."""
        return waiting_for(job, connected=self.presence.connected((job.namespace, job.spec.agent)))

    def sync_workflows(self, agent: AgentKey) -> bool:
        """Ask an agent to report its workflows; says whether it is connected, here or at another replica."""
        if self.dispatcher.refresh_workflows(agent):
            return True
        self._neighbours.ask_to_report(agent)
        return self.presence.connected(agent)

    async def run(self) -> None:
        """Do all that goes on beside requests, until `close`; begins when the caches are complete."""
        self._running = asyncio.current_task()
        await asyncio.gather(*(cache.wait_synced() for cache in self._caches.all()))
        await self._shared.begin()
        self.runs.admit()
        self._scheduled.admit()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            group.create_task(self._unsettled.run())
            group.create_task(self._neighbours.run())
            group.create_task(self.presence.run(self._caches.agents.get))
            group.create_task(self._duplicates.run())
            group.create_task(self.dispatcher.run())
            group.create_task(self.sweeper.run())

    def stop(self) -> None:
        """Close all streams and let waiting callers go, at once: the process is about to end."""
        self.streams.stop()
        self.waiters.stop()
        self.followers.stop()

    async def close(self) -> None:
        """End everything: write what is counted, give up the Lease, let go of the bucket."""
        self.stop()
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._hand_over()
        await self._store.close()

    async def _hand_over(self) -> None:
        await self._neighbours.close()
        if self._lease.held:
            await self._tally.flush(all_of_them=True)
            await self._lease.release()

    async def _listen(self) -> None:
        unheard = False
        while True:
            self.hearing.tick(max(self._caches.silence, self._neighbours.deaf))
            before, unheard = unheard, self.unheard
            if before and unheard:  # a process that was only paused hears within a second
                self._send_elsewhere()
            await asyncio.sleep(TICK_SECONDS)

    def _send_elsewhere(self) -> None:
        if count := self.streams.end():
            message = "neither Kubernetes nor Redis is in reach: %d streams closed, agents are refused until one is"
            log.warning(message, count, extra={"action": "agents_refused"})

    def _leftovers(self) -> Leftovers:
        agents = self._caches.agents.values
        return Leftovers(store=self.swept, credentials=self._credentials, agents=agents, now=self._clock.now)

    def _credentials(self) -> Iterable[ApiToken | EnrollmentToken]:
        return chain(self._caches.tokens.values(), self._caches.enrollments.values())


def _identity() -> str:
    return f"{socket.gethostname()}-{secrets.token_hex(4)}"
