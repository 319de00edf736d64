"""What a replica remembers of each DeployJob: an unfinished one whole but small, a finished one in under 300 bytes.

A job as Python dicts costs 11 KB, and 100 000 finished ones are normal: only what lists show and sweeps need is kept,
in slots, with the strings that repeat (organization, agent, trigger, workflow, ref) shared.
"""

import struct
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from sys import intern
from typing import Any

from deplite.protocol.params import ParamValue
from deplite.protocol.phases import Phase, Reason
from deplite.resources.deployjob import Cancel, DeployJob, DeployJobStatus, Requester, SlackMessage
from deplite.resources.notify import SlackNotice

_PACKED = struct.Struct("<IIIII")


@dataclass(frozen=True, kw_only=True, slots=True)
class FinishedJob:
    """A job that ended: what lists show and sort by, and when it may go."""

    namespace: str
    name: str
    agent: str
    """The Agent's object name, in the same namespace."""
    trigger: str | None
    workflow: str
    ref: str | None
    phase: Phase
    reason: Reason | None
    exit_code: int | None
    token: str | None
    """The id of the API token that asked for it, if one did."""
    slack_user: str | None
    """The Slack user who asked for it (`T…/U…`), if one did."""
    notice: SlackNotice | None
    """Where its end is still to be shown in Slack; shared, and None as soon as nothing is owed."""
    packed: bytes
    """Start of the uid, then created, started (0: never), finished and time to live, in seconds."""

    @property
    def finished(self) -> bool:
        """Always true."""
        return True

    @property
    def uid8(self) -> str:
        """The first 8 characters of the uid."""
        return f"{self._field(0):08x}"

    @property
    def created_at(self) -> datetime:
        """When it was asked for."""
        return datetime.fromtimestamp(self._field(1), UTC)

    @property
    def started_at(self) -> datetime | None:
        """When an agent claimed it, if one did."""
        return datetime.fromtimestamp(self._field(2), UTC) if self._field(2) else None

    @property
    def finished_at(self) -> datetime:
        """When it ended."""
        return datetime.fromtimestamp(self._field(3), UTC)

    @property
    def ttl_seconds(self) -> int:
        """How long after its end it stays in the cluster."""
        return self._field(4)

    @property
    def storage_key(self) -> str:
        """As `DeployJob.storage_key`."""
        return f"{self.name}-{self.uid8}"

    def _field(self, index: int) -> int:
        value: int = _PACKED.unpack(self.packed)[index]
        return value


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveJob:
    """A job that has not ended: all that sending, claiming and sweeping it need."""

    namespace: str
    name: str
    uid: str
    agent: str
    """The Agent's object name, in the same namespace."""
    trigger: str | None
    workflow: str
    ref: str | None
    params: Mapping[str, ParamValue]
    debug: bool
    requested_by: Requester
    phase: Phase
    instance: str | None
    created_at: datetime
    started_at: datetime | None
    queue_seconds: int
    job_seconds: int
    cancel: Cancel | None
    pod: str | None = None
    """The uid of the pod whose agent claimed it; None outside of pools."""
    group: str | None = None
    """The concurrency group, in the same namespace."""
    replaces: bool = False
    """It takes the place of the older jobs of its group."""
    place: int = 0
    """Microseconds; the order within the second of the creation."""
    turn_at: datetime | None = None
    """When its turn in its group came."""
    notice: SlackNotice | None = None
    """Where Slack shows it from its beginning to its end; None: nowhere, or only where it fails."""
    message: SlackMessage | None = None
    """The message there, once it is posted."""

    @property
    def waits_for_group(self) -> bool:
        """Whether older jobs of its group come first."""
        return self.queued and self.group is not None and self.turn_at is None

    @property
    def finished(self) -> bool:
        """Always false."""
        return False

    @property
    def uid8(self) -> str:
        """The first 8 characters of the uid."""
        return self.uid[:8]

    @property
    def storage_key(self) -> str:
        """As `DeployJob.storage_key`."""
        return f"{self.name}-{self.uid8}"

    @property
    def token(self) -> str | None:
        """The id of the API token that asked for it, if one did."""
        return self.requested_by.id if self.requested_by.kind == "token" else None

    @property
    def slack_user(self) -> str | None:
        """The Slack user who asked for it (`T…/U…`), if one did."""
        return self.requested_by.id if self.requested_by.kind == "slack" else None

    @property
    def queued(self) -> bool:
        """Whether no agent has claimed it."""
        return self.phase is Phase.QUEUED


JobView = LiveJob | FinishedJob

INDEXES: Mapping[str, Callable[[JobView], Hashable | None]] = {
    "id": lambda job: job.name,
    "agent": lambda job: None if job.finished else (job.namespace, job.agent),
    "open": lambda job: None if job.finished else job.namespace,
    "unfinished": lambda job: None if job.finished else True,
    "group": lambda job: (job.namespace, job.group) if isinstance(job, LiveJob) and job.group is not None else None,
    "notice": lambda job: None if job.notice is None else True,
    "trigger": lambda job: None if job.trigger is None else (job.namespace, job.trigger),
    "slack": lambda job: None if job.slack_user is None else (job.namespace, job.slack_user),
}
"""How the cache of jobs is indexed; `agent`, `open`, `unfinished` and `group` hold unfinished ones only.

`notice` holds those whose card in Slack is not known to show their end.
"""


def project(body: Mapping[str, Any] | DeployJob) -> JobView:
    """Return what is kept of a DeployJob."""
    job = body if isinstance(body, DeployJob) else DeployJob.model_validate(body)
    return _finished(job) if job.status.phase.finished else _live(job)


def _live(job: DeployJob) -> LiveJob:
    spec, status = job.spec, job.status
    return LiveJob(
        namespace=intern(job.namespace),
        name=job.name,
        uid=job.metadata.uid,
        agent=intern(spec.agent),
        trigger=_shared(spec.trigger),
        workflow=intern(spec.workflow),
        ref=_shared(spec.ref),
        params=spec.params,
        debug=spec.debug,
        requested_by=spec.requested_by,
        phase=status.phase,
        instance=status.instance,
        pod=status.pod,
        created_at=_created(job),
        started_at=status.started_at,
        queue_seconds=spec.queue_seconds,
        job_seconds=spec.job_seconds,
        cancel=spec.cancel,
        group=_shared(spec.concurrency_group),
        replaces=spec.concurrency_policy == "replace",
        place=spec.concurrency_place or 0,
        turn_at=status.turn_at,
        notice=notice_of(job),
        message=status.slack_message,
    )


def _finished(job: DeployJob) -> FinishedJob:
    spec, status = job.spec, job.status
    created = _seconds(_created(job))
    return FinishedJob(
        namespace=intern(job.namespace),
        name=job.name,
        agent=intern(spec.agent),
        trigger=_shared(spec.trigger),
        workflow=intern(spec.workflow),
        ref=_shared(spec.ref),
        phase=status.phase,
        reason=status.reason,
        exit_code=status.exit_code,
        token=intern(spec.requested_by.id) if spec.requested_by.kind == "token" else None,
        slack_user=intern(spec.requested_by.id) if spec.requested_by.kind == "slack" else None,
        notice=notice_of(job),
        packed=_PACKED.pack(
            int(job.metadata.uid[:8] or "0", 16),
            created,
            _seconds(status.started_at) if status.started_at else 0,
            _seconds(status.finished_at) if status.finished_at else created,
            spec.ttl_seconds_after_finished,
        ),
    )


def notice_of(job: DeployJob) -> SlackNotice | None:
    """Return where Slack is still to show how the job goes on, or ended."""
    notify, shown = job.spec.notify, job.status.slack_message
    if notify is None or (shown is not None and shown.phase.finished):
        return None
    notice = notify.slack
    if notice.when == "failure" and not broken(job.status):
        return None
    return _same(notice)


def broken(status: DeployJobStatus) -> bool:
    """Whether a job failed, and not because somebody wished that it ends."""
    return status.phase is Phase.FAILED and status.reason not in (Reason.CANCELLED, Reason.SUPERSEDED)


@lru_cache(maxsize=4096)
def _same(notice: SlackNotice) -> SlackNotice:
    """Return one object for all that are equal."""
    return notice


def _created(job: DeployJob) -> datetime:
    return job.metadata.creation_timestamp or datetime.fromtimestamp(0, UTC)


def _seconds(moment: datetime) -> int:
    return min(max(int(moment.timestamp()), 0), 2**32 - 1)


def _shared(text: str | None) -> str | None:
    return None if text is None else intern(text)
