"""Starting a run: one reservation, one create; a repeat of the same request gets the same job.

The object's name is a hash of (trigger, caller, key): the Kubernetes API server is the lock, whoever else tries.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol
from weakref import WeakValueDictionary

from deplite.failpoints import failpoint
from deplite.kube.errors import AlreadyExistsError, KubeError, NotFoundError
from deplite.protocol.errors import UnsignableError
from deplite.resources.agent import Agent
from deplite.resources.apitoken import ApiToken
from deplite.resources.deployjob import DeployJob
from deplite.resources.identifiers import keyed_job_id, object_id, random_job_id
from deplite.resources.resource import Resource
from deplite_apiserver.errors import (
    ApiError,
    ConflictError,
    RateLimitedError,
    UnavailableError,
    ValidationFailedError,
)
from deplite_apiserver.jobs.accept import Facts, Naming, accept, check_granted, check_open
from deplite_apiserver.jobs.foretold import VERDICTS, Foretold
from deplite_apiserver.jobs.idempotency import fingerprint_of
from deplite_apiserver.jobs.quota import run_quotas
from deplite_apiserver.jobs.recent import Recent
from deplite_apiserver.jobs.request import RunRequest
from deplite_apiserver.jobs.unsettled import Unsettled
from deplite_apiserver.jobs.waiters import JobChanges, Waiters
from deplite_apiserver.limits.limiter import Limiter, refusal
from deplite_apiserver.limits.pace import Pace
from deplite_apiserver.limits.windows import Exceeded, Quota
from deplite_apiserver.metrics.metrics import Metrics

log = logging.getLogger(__name__)

LOOKUPS_PER_SECOND = 5
"""How often a caller who is over a limit may have the API server asked for the job of a key that the cache lacks."""
MAX_TRIES = 3
"""How often a create is tried while an older job of the same name disappears."""


class JobStore(Protocol):
    """What is needed of `KubeClient`."""

    async def get(self, kind: type[DeployJob], namespace: str, name: str) -> DeployJob:
        """Return the job."""

    async def create(self, resource: DeployJob) -> DeployJob:
        """Create the job."""


class NotedJobs(JobChanges, Protocol):
    """What is needed of the cache of jobs."""

    def note(self, resource: Resource) -> None:
        """Put the answer to a write of our own in."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the request says."""

    request: RunRequest
    key: str | None
    """The `Idempotency-Key`."""
    body: Mapping[str, Any] | None = None
    """What a repeat with the key must say again; None: the request itself."""
    caller: str | None = None
    """Whose key it is; None: of whoever asks."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request to run a trigger."""

    facts: Facts
    token: ApiToken | None
    """The caller's token; None for people."""
    read: Callable[[], Asked]
    """Reads the request; raises `ValidationFailedError`. Refusals of the caller come before complaints about it."""
    look_again: Callable[[], Awaitable[Agent | None]] | None = None
    """Returns the trigger's agent with all that was reported before the call: another replica may have heard that."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What became of it."""

    job: DeployJob
    idempotent: bool = False
    """The job was there before this request."""
    timed_out: bool = False
    """A sync caller was let go before the job's end."""
    sync: bool = False

    @property
    def status_code(self) -> int:
        """200 where a sync caller gets the job's end, else 202."""
        return 200 if self.sync and not self.timed_out else 202

    def wire(self) -> dict[str, Any]:
        """Return the answer's body."""
        status = self.job.status
        optional = {"exitCode": status.exit_code, "errorMessage": status.message, "output": status.output}
        return {
            "jobId": self.job.name,
            "status": status.phase.wire,
            "idempotent": self.idempotent,
            "timedOut": self.timed_out,
            **{key: value for key, value in optional.items() if value is not None},
            "statusUrl": f"/api/jobs/{self.job.name}",
        }


class Runs:
    """Accepts runs."""

    def __init__(
        self,
        *,
        store: JobStore,
        jobs: NotedJobs,
        limiter: Limiter,
        unsettled: Unsettled,
        waiters: Waiters,
        recent: Recent,
        room: Callable[[str], None],
        sync_seconds: float,
        monotonic: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        """Make the service.

        Args:
            store: where jobs are written.
            jobs: the cache of jobs.
            limiter: the rate windows.
            unsettled: looks after runs of which it is not known whether they were stored.
            waiters: wakes sync callers.
            recent: is told each job that was created, for the claim that soon follows.
            room: raises `QuotaExceededError` where an organization may have no further job.
            sync_seconds: how long those wait.
            monotonic: seconds of a clock that never goes back.
            metrics: is told what requests became.
        """
        self._store, self._jobs, self._limiter, self._waiters = store, jobs, limiter, waiters
        self._unsettled, self._recent, self._room = unsettled, recent, room
        self._sync_seconds, self._lookups = sync_seconds, Pace(LOOKUPS_PER_SECOND, monotonic)
        self._admits = asyncio.Event()
        self._metrics = metrics
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @property
    def admits(self) -> bool:
        """Whether runs are accepted already."""
        return self._admits.is_set()

    def admit(self) -> None:
        """Begin to accept runs: the rate windows know by now what happened before this process started."""
        self._admits.set()

    async def admitting(self) -> None:
        """Wait until they are."""
        await self._admits.wait()

    async def run(self, call: Call) -> Run:
        """Start a run, or find the one that the same request has started.

        Raises:
            ApiError: the run is refused; `deplite_apiserver.jobs.accept` has the order.
            KubeError: the Kubernetes API did not store the job: nothing is promised.
        """
        run = await self.start(call)
        if call.facts.trigger.spec.response_mode == "async":
            return run
        job = run.job
        if not job.status.phase.finished:
            await self._waiters.ended(job.namespace, job.name, self._sync_seconds)
            job = await self._again(job)
        return Run(job=job, idempotent=run.idempotent, sync=True, timed_out=not job.status.phase.finished)

    async def start(self, call: Call) -> Run:
        """As `run`, without waiting for the end."""
        source = call.facts.requester.kind
        try:
            run = await self._start(call)
        except ApiError as error:
            self._metrics.refused(source, error.code)
            raise
        self._metrics.ran(source, repeated=run.idempotent)
        return run

    async def _start(self, call: Call) -> Run:
        naming, decided = await self._decide(call)
        if isinstance(decided, Run):
            return decided
        async with self._turn(naming) as waited:
            if not (waited and self._jobs.get(decided.namespace, naming.job_id)):
                return await self._create_or_find(call, decided, naming)
        found = await self._replay(decided.namespace, naming)
        if found is None:
            raise UnavailableError(retry_after=1)
        return found

    async def foretell(self, call: Call) -> Foretold:
        """Say what `start` would do now: the same decision, but nothing is counted and nothing is made.

        Raises:
            ApiError: nobody can tell for the moment; what the rules refuse is part of the answer.
            KubeError: the Kubernetes API does not say whether the job is there.
        """
        job: DeployJob | None = None
        try:
            naming, decided = await self._decide(call)
            if isinstance(decided, DeployJob):
                job = decided
                if naming.fingerprint is None or (found := await self._replay(job.namespace, naming)) is None:
                    self._room(job.namespace)
                    exceeded = await self._limiter.check(_quotas(call, job))
                    return Foretold(job=job, refusal=None if exceeded is None else refusal(exceeded))
                decided = found
            return Foretold(job=decided.job, idempotent=True)
        except VERDICTS as error:
            return Foretold(job=job, refusal=error)

    async def _decide(self, call: Call) -> tuple[Naming, DeployJob | Run]:
        """Return the job that a request becomes, or the run of an earlier one that it repeats."""
        facts = call.facts
        check_granted(facts)
        if not self.admits:
            raise UnavailableError(retry_after=1)
        try:
            asked = call.read()
            naming = name_of(facts, asked)
        except ValidationFailedError:
            check_open(facts)
            raise
        namespace = facts.trigger.namespace
        if naming.fingerprint is not None and self._jobs.get(namespace, naming.job_id) is not None:
            found = await self._replay(namespace, naming)
            if found is not None:
                return naming, found
        return naming, await _accepted(call, asked.request, naming)

    @asynccontextmanager
    async def _turn(self, naming: Naming) -> AsyncIterator[bool]:
        """Let equal keys create one after another, and say whether this one had to wait.

        A repeat that is under way must not hold a place in the rate windows, not even for a moment.
        """
        if naming.fingerprint is None:
            yield False
            return
        turn = self._turns.setdefault(naming.job_id, asyncio.Lock())
        waited = turn.locked()
        async with turn:
            yield waited

    async def _create_or_find(self, call: Call, job: DeployJob, naming: Naming) -> Run:
        for _ in range(MAX_TRIES):
            found = await self._create(call, job, naming)
            if found is not None:
                return found
        raise UnavailableError(retry_after=1)

    async def _create(self, call: Call, job: DeployJob, naming: Naming) -> Run | None:
        """Create the job within the limits; None where another one of its name came and went meanwhile."""
        try:
            self._room(job.namespace)
            reserved = await self._limiter.reserve(_quotas(call, job))
            if isinstance(reserved, Exceeded):
                raise refusal(reserved)
        except RateLimitedError:
            found = await self._replay(job.namespace, naming) if self._may_look_up(job, naming) else None
            if found is None:
                raise
            return found
        failpoint("apiserver.run.reserved")
        try:
            created = await self._store.create(job)
        except AlreadyExistsError:
            await self._limiter.give_back(reserved)
            return await self._replay(job.namespace, naming)
        except KubeError as error:
            # Without an answer, and after one that tells of trouble, it may have been stored, and then it counts.
            if 400 <= error.status < 500:
                await self._limiter.give_back(reserved)
            else:
                self._unsettled.hold(job.key, reserved)
            raise
        failpoint("apiserver.run.created")
        self._recent.put(created)
        self._jobs.note(created)
        await self._unsettled.created(job.key)  # may wait for Redis, while the job's agent claims it
        log.info(
            "job %s accepted",
            created.name,
            extra={"action": "job_accepted", "jobId": created.name, "organization": created.namespace},
        )
        return Run(job=created)

    def _may_look_up(self, job: DeployJob, naming: Naming) -> bool:
        """Whether to ask for an earlier job of the same key: it is there, or the cache may lag behind who made it."""
        if naming.fingerprint is None:
            return False
        known = self._jobs.get(job.namespace, naming.job_id) is not None
        return known or self._lookups.allows((job.namespace, job.spec.requested_by.id))

    async def _replay(self, namespace: str, naming: Naming) -> Run | None:
        try:
            job = await self._store.get(DeployJob, namespace, naming.job_id)
        except NotFoundError:
            return None
        if job.spec.fingerprint != naming.fingerprint:
            raise ConflictError(
                "This Idempotency-Key was used with another body; use a new key.", code="idempotency_conflict"
            )
        self._jobs.note(job)
        return Run(job=job, idempotent=True)

    async def _again(self, job: DeployJob) -> DeployJob:
        try:
            return await self._store.get(DeployJob, job.namespace, job.name)
        except NotFoundError:
            return job


async def _accepted(call: Call, request: RunRequest, naming: Naming) -> DeployJob:
    """Decide; where the agent is not known to have the workflow, once more when it is known what it has by now."""
    try:
        return accept(call.facts, request, naming)
    except ValidationFailedError as error:
        if error.code != "unknown_workflow" or call.look_again is None:
            raise
    return accept(replace(call.facts, agent=await call.look_again()), request, naming)


def _quotas(call: Call, job: DeployJob) -> tuple[Quota, ...]:
    return run_quotas(call.token, call.facts.agent, job.spec.workflow)


def name_of(facts: Facts, asked: Asked) -> Naming:
    """Return what the job of a request is called.

    Raises:
        ValidationFailedError: the body has text that is none.
    """
    if asked.key is None:
        return Naming(job_id=random_job_id(), fingerprint=None)
    trigger_id = object_id("tr", *facts.trigger.key)
    try:
        fingerprint = fingerprint_of(asked.request.body() if asked.body is None else asked.body)
    except UnsignableError as error:
        raise ValidationFailedError(str(error)) from None
    return Naming(
        job_id=keyed_job_id(trigger_id, asked.caller or facts.requester.id, asked.key), fingerprint=fingerprint
    )
