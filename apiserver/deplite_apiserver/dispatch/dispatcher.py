"""Sends jobs to the agents whose streams are open here: on each connect until claimed, never after.

Everything it does follows from the caches and from streams opening; what it cannot do now it does at the next of those.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deplite.failpoints import failpoint
from deplite.kube.cache import Cache, Change
from deplite.kube.errors import KubeError, NotFoundError, UnavailableError
from deplite.protocol.phases import Reason
from deplite.resources.agent import Agent
from deplite.resources.identifiers import object_id
from deplite.resources.trigger import Trigger
from deplite_apiserver.dispatch.payload import cancel, deploy, revoke, sync_workflows
from deplite_apiserver.dispatch.recheck import NotSendableError, sendable_params
from deplite_apiserver.dispatch.sent import Sent
from deplite_apiserver.dispatch.stops import Stops
from deplite_apiserver.dispatch.streams import AgentKey, Stream, Streams
from deplite_apiserver.jobs.transition import Ended, Transitions
from deplite_apiserver.jobs.view import FinishedJob, JobView, LiveJob

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0

_STOPPED_BY_SERVER = frozenset({Reason.TIMEOUT, Reason.CANCELLED, Reason.SUPERSEDED, Reason.AGENT_LOST})
"""Ends after which an agent that still runs the job is told to stop it."""


Anew = set[tuple[type[Agent | Trigger], tuple[str, str]]]
"""Kind and key of what was read from the API server."""


class Keys(Protocol):
    """What is needed of the server's keys."""

    def get(self, key_id: str | None) -> Ed25519PrivateKey | None:
        """Return the key that an agent pinned."""


class Dispatcher:
    """One replica's sender."""

    def __init__(
        self,
        *,
        jobs: Cache[JobView],
        agents: Cache[Agent],
        triggers: Cache[Trigger],
        streams: Streams,
        sent: Sent,
        told: Sent,
        keys: Keys,
        transitions: Transitions,
        reread: Callable[[Cache[Any], tuple[str, str], str], Awaitable[Any]],
        now: Callable[[], datetime],
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        """Make the sender, and have it hear of jobs, agents and streams.

        Args:
            jobs: the cache of jobs.
            agents: the cache of agents.
            triggers: the cache of triggers.
            streams: the open streams.
            sent: remembers what was sent when.
            told: remembers who was told when to stop which job.
            keys: the server's keys.
            transitions: ends jobs that must not be sent.
            reread: gets an object as the API server has it now into its cache, as `Caches.reread`.
            now: the present moment in UTC.
            retry_seconds: between two tries of an end while the Kubernetes API does not answer.
        """
        self._jobs, self._agents, self._triggers = jobs, agents, triggers
        self._streams, self._sent, self._told, self._keys = streams, sent, told, keys
        self._transitions, self._reread = transitions, reread
        self._now, self._retry_seconds = now, retry_seconds
        self._stops = Stops()
        self._refused: asyncio.Queue[tuple[LiveJob, Ended]] = asyncio.Queue()
        jobs.subscribe(self._job_changed)
        agents.subscribe(self._agent_changed)
        streams.subscribe(opened=self._opened)

    async def run(self) -> None:
        """Write the ends of jobs that were not sent, for ever."""
        while True:
            refused = [await self._refused.get()]
            while not self._refused.empty():
                refused.append(self._refused.get_nowait())
            anew: Anew = set()
            for job, end in refused:
                while not await self._ended(job, end, anew):  # noqa: ASYNC110 - nothing says when the API server is back
                    await asyncio.sleep(self._retry_seconds)

    async def _ended(self, job: LiveJob, end: Ended, anew: Anew) -> bool:
        """End a job that was not sent; says whether that is done with. Nobody would look at it again for minutes.

        Args:
            job: the job, as it was when it was not sent.
            end: its end.
            anew: agents and triggers that were read since then.
        """
        try:
            if end.reason is Reason.REJECTED:
                refusal = await self._refusal_of(job, anew)
                if refusal is None:
                    return True
                end = replace(end, message=refusal)
            await self._transitions.apply(job.namespace, job.name, end, uid=job.uid)
        except NotFoundError:
            return True
        except UnavailableError as error:
            log.warning("job %s not ended yet: %s", job.name, error, extra={"action": "end_failed", "jobId": job.name})
            return False
        except KubeError as error:  # the next connect of the agent, or the sweeper, decides again
            log.warning("job %s not ended: %s", job.name, error, extra={"action": "end_failed", "jobId": job.name})
        except Exception:  # one object that nobody foresaw must not end what sends all the others
            log.exception("job %s not ended", job.name, extra={"action": "end_failed", "jobId": job.name})
        return True

    async def _refusal_of(self, refused: LiveJob, anew: Anew) -> str | None:
        """Look at agent and trigger as they are now: each kind has a watch of its own, and that of jobs may be ahead.

        Returns:
            Why the job must not be sent; None: it was sent, it moved on, or the agent's next connect decides.

        Raises:
            KubeError: the API server does not tell.
        """
        await self._read_anew(self._agents, self._agent_of(refused), anew)
        await self._read_anew(self._triggers, self._trigger_of(refused), anew)
        job, agent = self._jobs.get(refused.namespace, refused.name), self._agent_of(refused)
        stream = self._streams.of((refused.namespace, refused.agent))
        if not isinstance(job, LiveJob) or job.uid != refused.uid or agent is None or stream is None:
            return None
        try:
            sendable_params(job, agent, self._trigger_of(job))
        except NotSendableError as error:
            return str(error)
        self._handle(job, agent, stream)
        return None

    async def _read_anew(self, cache: Cache[Any], known: Agent | Trigger | None, anew: Anew) -> None:
        if known is not None and (type(known), known.key) not in anew:
            await self._reread(cache, known.key, known.metadata.uid)
            anew.add((type(known), known.key))

    def refresh_workflows(self, agent: AgentKey) -> bool:
        """Ask the agent to report its workflows; says whether it is connected here."""
        stream = self._streams.of(agent)
        return stream is not None and stream.send(sync_workflows())

    def dismiss(self, agent: AgentKey) -> None:
        """Tell an agent that it was revoked, and close its stream."""
        stream = self._streams.of(agent)
        if stream is None:
            return
        found = self._agents.get(*agent)
        key = self._key(found) if found is not None else None
        if key is not None:
            stream.send(revoke(key, stream.agent_id, self._issued_at()))
        stream.close()

    def _opened(self, stream: Stream) -> None:
        agent = self._agents.get(*stream.agent)
        if agent is None or agent.spec.revoked:  # since its signature was checked
            self.dismiss(stream.agent)
            return
        live = [job for job in self._jobs.by("agent", stream.agent) if isinstance(job, LiveJob)]
        for job in sorted(live, key=lambda job: (job.created_at, job.name)):
            self._handle(job, agent, stream)
        for job, reason in self._stops.of(stream.agent, self._now()):
            self._stop(job, agent, reason)

    def _job_changed(self, change: Change[JobView]) -> None:
        match change:
            case Change(new=LiveJob() as job, old=old):
                if isinstance(old, LiveJob) and not _concerns_agent(old, job):
                    return
                stream = self._streams.of((job.namespace, job.agent))
                agent = self._agents.get(job.namespace, job.agent)
                if stream is not None and agent is not None:
                    self._handle(job, agent, stream)
                elif job.queued and job.cancel is not None:
                    self._end_cancelled(job)
            case Change(old=LiveJob() as old, new=FinishedJob() as new):
                known = not old.queued or self._sent.age(old) is not None
                self._forget(old)
                if known and new.reason in _STOPPED_BY_SERVER:
                    self._stops.note(old, new.reason, self._now())
                    self._stop(old, self._agent_of(old), new.reason)
            case Change(old=LiveJob() as old, new=None):
                self._forget(old)
                self._stop(old, self._agent_of(old), Reason.CANCELLED)

    def _agent_changed(self, change: Change[Agent]) -> None:
        if change.new is None:
            self._stops.forget(change.key)
            if change.old is not None:
                self._abandon(change.old)
            return
        if change.old is not None and change.old.metadata.uid != change.new.metadata.uid:  # deleted, and made again
            self._stops.forget(change.key)
            self._abandon(change.old)
        if change.new.spec.revoked:
            self._stops.forget(change.key)
            self.dismiss(change.key)
        elif change.old is not None and change.old.status.public_key != change.new.status.public_key:
            stream = self._streams.of(change.key)
            if stream is not None:  # of the old key, for nobody's signature by the new one could hold before
                stream.close()

    def _abandon(self, agent: Agent) -> None:
        """Have one that was deleted stop its jobs; its key it keeps, for the Agent may come back from a backup."""
        for job in self._jobs.by("agent", agent.key):
            if isinstance(job, LiveJob):
                self._stop(job, agent, Reason.AGENT_REVOKED)
        if (stream := self._streams.of(agent.key)) is not None:
            stream.close()

    def _handle(self, job: LiveJob, agent: Agent, stream: Stream) -> None:
        if job.queued and job.cancel is not None:
            self._end_cancelled(job)
        elif job.waits_for_group:
            return  # it is sent when its turn comes
        elif job.queued:
            self._send(job, agent, stream)
        elif job.cancel is not None and self._stop(job, agent, Reason(job.cancel.reason), job.cancel.by):
            self._told.note(job)

    def _send(self, job: LiveJob, agent: Agent, stream: Stream) -> None:
        key = self._key(agent)
        if agent.spec.revoked or key is None:
            return
        try:
            params = sendable_params(job, agent, self._trigger_of(job))
        except NotSendableError as error:
            self._refused.put_nowait((job, Ended(reason=Reason.REJECTED, at=self._now(), message=str(error))))
            return
        if stream.send(deploy(key, job, params, object_id("ag", *agent.key), self._issued_at())):
            failpoint("apiserver.job.sent")
            self._sent.note(job)
            log.info(
                "job %s sent to agent %s", job.name, stream.agent_id, extra={"action": "job_sent", "jobId": job.name}
            )

    def _agent_of(self, job: LiveJob) -> Agent | None:
        return self._agents.get(job.namespace, job.agent)

    def _trigger_of(self, job: LiveJob) -> Trigger | None:
        return self._triggers.get(job.namespace, job.trigger) if job.trigger else None

    def _stop(self, job: LiveJob, agent: Agent | None, reason: Reason | None, actor: str | None = None) -> bool:
        """Tell the agent to stop a job; says whether it is connected here."""
        stream = self._streams.of((job.namespace, job.agent))
        key = self._key(agent) if agent is not None else None
        if stream is None or key is None:
            return False
        said = Reason.CANCELLED if reason is None else reason
        return stream.send(
            cancel(
                key,
                job_id=job.name,
                job_uid=job.uid,
                reason=said.value,
                actor=actor,
                agent_id=stream.agent_id,
                issued_at=self._issued_at(),
            )
        )

    def _forget(self, job: LiveJob) -> None:
        self._sent.forget(job)
        self._told.forget(job)

    def _end_cancelled(self, job: LiveJob) -> None:
        reason = Reason(job.cancel.reason) if job.cancel else Reason.CANCELLED
        self._refused.put_nowait((job, Ended(reason=reason, at=self._now())))

    def _key(self, agent: Agent) -> Ed25519PrivateKey | None:
        key = self._keys.get(agent.status.server_key_id)
        if key is None:
            log.error(
                "the server key %s that agent %s pinned is gone; the agent must enrol again",
                agent.status.server_key_id,
                agent.name,
                extra={"action": "server_key_missing"},
            )
        return key

    def _issued_at(self) -> int:
        return int(self._now().timestamp())


def _concerns_agent(old: LiveJob, new: LiveJob) -> bool:
    """Whether something changed that the agent is to hear of: a new job, one whose turn has come, one to be stopped.

    A claim that wins against a cancel makes the stop known again: while the job was queued, nobody was told.
    """
    if old.uid != new.uid or (old.waits_for_group and new.queued and not new.waits_for_group):
        return True
    return new.cancel is not None and (old.cancel is None or (old.queued and not new.queued))
