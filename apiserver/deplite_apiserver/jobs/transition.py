"""The one function that changes a job's phase: `decide`, pure, and `Transitions`, which applies it by compare-and-swap.

`Queued → Running → Succeeded | Failed` and `Queued → Failed`; a job of a concurrency group is claimed only after its
turn has come. A terminal phase never changes: a result that comes after the server had ended the job itself is kept in
`status.lateResult`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Protocol

from deplite.failpoints import failpoint
from deplite.kube.errors import ConflictError
from deplite.protocol.phases import Phase, Reason
from deplite.resources.deployjob import DeployJob, DeployJobStatus, Outcome
from deplite.resources.resource import Resource, utc
from deplite_apiserver.jobs.recent import Recent

MAX_TRIES = 5
"""How often a decision is made anew when somebody else wrote in between."""

ENDINGS: Mapping[Reason, str] = {
    Reason.EXPIRED: "The agent did not connect in time to take the job.",
    Reason.TIMEOUT: "The job did not end in the time its trigger allows.",
    Reason.AGENT_LOST: "The agent fell silent while it ran the job.",
    Reason.AGENT_REVOKED: "The agent was revoked before the job had ended.",
    Reason.AGENT_CRASHED: "Another pod took the agent's place while it ran the job; what it did until then is unknown.",
    Reason.CANCELLED: "The job was cancelled before an agent took it.",
    Reason.SUPERSEDED: "A newer run took the job's place before an agent took it.",
}
"""What the server says when it ends a job itself; by this, such an end is told from an agent's own report."""

UNANSWERED: Mapping[Reason, str] = {
    Reason.CANCELLED: "The job was cancelled; its agent was told, and has not said that it stopped.",
    Reason.SUPERSEDED: "A newer run took the job's place; its agent was told, and has not said that it stopped.",
}
"""What the server says when it ends a job that an agent runs, was told to stop, and says nothing of."""

_ENDS_FROM: Mapping[Reason, frozenset[Phase]] = {
    Reason.EXPIRED: frozenset({Phase.QUEUED}),
    Reason.CANCELLED: frozenset({Phase.QUEUED}),
    Reason.SUPERSEDED: frozenset({Phase.QUEUED}),
    Reason.REJECTED: frozenset({Phase.QUEUED}),
    Reason.AGENT_REVOKED: frozenset({Phase.QUEUED, Phase.RUNNING}),
    Reason.TIMEOUT: frozenset({Phase.QUEUED, Phase.RUNNING}),
    Reason.AGENT_LOST: frozenset({Phase.RUNNING}),
    Reason.AGENT_CRASHED: frozenset({Phase.RUNNING}),
}


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """The job's agent says that it is about to start it."""

    instance: str | None
    """The agent's process; None for clients that do not say."""
    at: datetime
    pod: str | None = None
    """The uid of the pod that the agent is in, where it is one of a pool."""
    implied: bool = False
    """Said by sending logs: harmless once the job runs or has ended."""


@dataclass(frozen=True, kw_only=True)
class Reported:
    """The job's agent says how it ended."""

    instance: str | None
    status: str
    """The word the agent used, for `lateResult`."""
    end: DeployJobStatus
    """The phase, reason, message, exit code, output and rejection that follow from it."""
    at: datetime
    """When the report came."""
    pod: str | None = None
    """As for a claim."""
    ended_ago: timedelta = timedelta()
    """How long before that the job had ended; never before its start."""
    unexplained: bool = False
    """The agent gave no reason of ours: where somebody had asked for a cancel, that is why."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The server ends the job itself; nothing happens where it has moved on meanwhile."""

    reason: Reason
    at: datetime
    message: str | None = None
    """Another sentence than that of `ENDINGS`."""
    unanswered: bool = False
    """The agent that runs it was told to stop long ago; only a running job ends so."""


@dataclass(frozen=True, kw_only=True)
class Admitted:
    """The job's turn in its concurrency group has come; nothing happens where it has moved on meanwhile."""

    at: datetime


Event = Claimed | Reported | Ended | Admitted


class Verdict(Enum):
    """What became of an event."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    """It was so already, or no longer concerns the job."""
    LATE = "late"
    """Kept beside the job's end."""
    ALREADY_CLAIMED = "already_claimed"
    JOB_FINISHED = "job_finished"
    JOB_WAITING = "job_waiting"
    """Older jobs of its concurrency group come first."""
    RESULT_CONFLICT = "result_conflict"
    GONE = "job_gone"
    """Another object has the name by now."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A verdict, and the merge patch of the status that it needs (empty: no write)."""

    verdict: Verdict
    patch: Mapping[str, Any]


def decide(job: DeployJob, event: Event) -> Decision:
    """Say what an event does to a job as it is now."""
    match event:
        case Claimed():
            return _claim(job, event)
        case Reported():
            return _report(job, _explained(job, event))
        case Ended():
            return _end(job.status, event)
        case Admitted():
            waits = job.waits_for_group and job.spec.cancel is None
            return _applied({"turnAt": utc(event.at)}) if waits else _plain(Verdict.UNCHANGED)


def _claim(job: DeployJob, event: Claimed) -> Decision:
    status = job.status
    if status.phase is Phase.QUEUED and job.spec.cancel is not None and not event.implied:
        end = _end(status, Ended(reason=Reason(job.spec.cancel.reason), at=event.at))
        return replace(end, verdict=Verdict.JOB_FINISHED)
    if job.waits_for_group:
        return _plain(Verdict.JOB_WAITING)
    if status.phase is Phase.QUEUED:
        patch = {"phase": Phase.RUNNING.value, "startedAt": utc(event.at)}
        return _applied(patch | _claimer(event))
    if status.phase.finished:
        return _plain(Verdict.UNCHANGED if event.implied else Verdict.JOB_FINISHED)
    return _plain(Verdict.UNCHANGED if _has_claimed(status, event) else Verdict.ALREADY_CLAIMED)


def _claimer(event: Claimed | Reported) -> dict[str, str]:
    """Return what a job keeps of who claimed it."""
    return {key: value for key, value in (("instance", event.instance), ("pod", event.pod)) if value}


def _has_claimed(status: DeployJobStatus, event: Claimed | Reported) -> bool:
    return event.instance == status.instance and status.pod in (None, event.pod)


def _report(job: DeployJob, event: Reported) -> Decision:
    status = job.status
    if status.phase.finished:
        return _late(status, event)
    if status.phase is Phase.RUNNING and not _has_claimed(status, event):
        return _plain(Verdict.ALREADY_CLAIMED)
    finished_at = max(event.at - event.ended_ago, status.started_at or job.metadata.creation_timestamp or event.at)
    patch = _ending(event.end) | {"finishedAt": utc(min(finished_at, event.at))}
    if status.phase is Phase.QUEUED:
        patch |= {"startedAt": patch["finishedAt"]} | _claimer(event)
    return _applied(patch)


def _explained(job: DeployJob, event: Reported) -> Reported:
    if not event.unexplained or job.spec.cancel is None:
        return event
    return replace(event, end=event.end.model_copy(update={"reason": Reason(job.spec.cancel.reason)}))


def _late(status: DeployJobStatus, event: Reported) -> Decision:
    other_process = status.instance is not None and event.instance != status.instance
    if other_process or status.pod not in (None, event.pod):
        return _plain(Verdict.ALREADY_CLAIMED)
    if not ended_by_server(status):
        same = _ending(status) == _ending(event.end)
        return _plain(Verdict.UNCHANGED if same else Verdict.RESULT_CONFLICT)
    late = Outcome(
        status=event.status,
        exit_code=event.end.exit_code,
        message=event.end.message,
        output=event.end.output,
        received_at=event.at,
    )
    if status.late_result is None:
        return Decision(verdict=Verdict.LATE, patch={"lateResult": late.wire()})
    same = status.late_result.model_copy(update={"received_at": event.at}) == late
    return _plain(Verdict.LATE if same else Verdict.RESULT_CONFLICT)


def _end(status: DeployJobStatus, event: Ended) -> Decision:
    phases = frozenset({Phase.RUNNING}) if event.unanswered else _ENDS_FROM[event.reason]
    if status.phase not in phases:
        return _plain(Verdict.UNCHANGED)
    message = event.message or (UNANSWERED if event.unanswered else ENDINGS).get(event.reason)
    patch = {"phase": Phase.FAILED.value, "reason": event.reason.value, "finishedAt": utc(event.at)}
    return _applied(patch | ({"message": message} if message else {}))


def ended_by_server(status: DeployJobStatus) -> bool:
    """Whether the job was ended without a report of its agent, which would have set the start."""
    if status.phase is Phase.FAILED and status.started_at is None:
        return True
    if status.reason is None or status.message is None or status.exit_code is not None:
        return False
    said = (ENDINGS.get(status.reason), UNANSWERED.get(status.reason))
    return status.phase is Phase.FAILED and status.message in said


def _ending(status: DeployJobStatus) -> dict[str, Any]:
    """Return the fields in which two reports of one end must agree."""
    return {
        key: value
        for key, value in status.wire().items()
        if key in {"phase", "reason", "message", "exitCode", "output", "rejection"}
    }


def _applied(patch: Mapping[str, Any]) -> Decision:
    return Decision(verdict=Verdict.APPLIED, patch=patch)


def _plain(verdict: Verdict) -> Decision:
    return Decision(verdict=verdict, patch={})


class JobStore(Protocol):
    """What is needed of `KubeClient`."""

    async def get(self, kind: type[DeployJob], namespace: str, name: str) -> DeployJob:
        """Return the job."""

    async def patch_status(
        self, kind: type[DeployJob], namespace: str, name: str, body: Mapping[str, Any], *, version: str | None = None
    ) -> DeployJob:
        """Merge into its status where `version` is still the present one."""


class Transitions:
    """Applies events to jobs; the only writer of `DeployJob.status`, but for `slackMessage`."""

    def __init__(
        self,
        store: JobStore,
        note: Callable[[Resource], None],
        recent: Recent | None = None,
        moved: Callable[[DeployJob, DeployJob], None] = lambda before, after: None,
    ) -> None:
        """Make the writer.

        Args:
            store: where jobs are.
            note: is told each job that was written, so that this replica reads its own writes.
            recent: the jobs that this replica wrote last.
            moved: is told each job before and after a write, before `note` is.
        """
        self._store = store
        self._note = note
        self._recent = recent or Recent()
        self._moved = moved

    async def apply(self, namespace: str, name: str, event: Event, *, uid: str | None = None) -> Verdict:
        """Apply an event to a job.

        Args:
            namespace: the organization.
            name: the job's id.
            event: what happened.
            uid: the beginning of the uid of the object that is meant; None for whichever has the name.

        Raises:
            NotFoundError: there is no such job.
            ConflictError: others wrote in between five times in a row.
            UnavailableError: the Kubernetes API does not answer.
        """
        conflict = ConflictError("nobody wrote")
        for attempt in range(MAX_TRIES + 1):
            fresh = attempt > 0  # the first try goes by what is remembered: it may be old, and then a patch conflicts
            job = await self._store.get(DeployJob, namespace, name) if fresh else self._recent.take(namespace, name)
            if job is None:
                continue
            meant = uid is None or job.metadata.uid.startswith(uid)
            decision = decide(job, event) if meant else _plain(Verdict.GONE)
            if decision.patch:
                try:
                    return await self._write(job, decision)
                except ConflictError as error:
                    conflict = error
            elif fresh:
                return decision.verdict
        raise conflict

    async def _write(self, job: DeployJob, decision: Decision) -> Verdict:
        failpoint("apiserver.transition.decided")
        version = job.metadata.resource_version
        written = await self._store.patch_status(DeployJob, job.namespace, job.name, decision.patch, version=version)
        failpoint("apiserver.transition.written")
        self._recent.put(written)
        self._moved(job, written)
        self._note(written)
        return decision.verdict
