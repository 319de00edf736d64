"""DeployJob: one run, from the accepted request to its result."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from deplite.protocol.phases import Phase, Reason
from deplite.resources.limits import JOB_GROUP_PATTERN, ObjectName, Params, WorkflowName
from deplite.resources.notify import Notify
from deplite.resources.resource import Record, Resource, Spec, Status, Time
from deplite.resources.trigger import DEFAULT_JOB_SECONDS, DEFAULT_QUEUE_SECONDS

KEYED_TTL_SECONDS = 172_800
"""A job made with an idempotency key stays in the cluster at least this long."""


class Requester(Record):
    """Who asked for the run."""

    kind: Literal["token", "user", "schedule", "slack", "kubernetes"] = "kubernetes"
    id: str = Field(default="", max_length=512)
    """Token id, `issuer#subject`, `schedule`, Slack user, or empty."""
    name: str = Field(default="", max_length=128)
    """For people; of a schedule the fire time."""


class Cancel(Record):
    """Set once: somebody wants the run to stop."""

    by: str = Field(min_length=1, max_length=512)
    reason: Literal["cancelled", "superseded"] = "cancelled"


class DeployJobSpec(Spec):
    """What was accepted; immutable but for `cancel`."""

    trigger: ObjectName | None = None
    agent: ObjectName
    workflow: WorkflowName
    ref: str | None = Field(default=None, min_length=1, max_length=255)
    params: Params = Field(default_factory=dict)
    debug: bool = False
    requested_by: Requester = Field(default_factory=Requester)
    fingerprint: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """sha256 of the canonical body of a request with an idempotency key; absent without a key."""
    concurrency_group: str | None = Field(default=None, min_length=1, max_length=300, pattern=JOB_GROUP_PATTERN)
    """Jobs of one group in a namespace run one at a time, in the order of their creation."""
    concurrency_policy: Literal["queue", "replace"] | None = None
    """`queue`, as without it: waits for the older jobs of its group; `replace`: cancels them first."""
    concurrency_place: int | None = Field(default=None, ge=0, le=2**53 - 1)
    """Microseconds since 1970; the order of jobs of one group that were created within a second."""
    queue_seconds: int = Field(default=DEFAULT_QUEUE_SECONDS, ge=1, le=604_800)
    job_seconds: int = Field(default=DEFAULT_JOB_SECONDS, ge=1, le=604_800)
    ttl_seconds_after_finished: int = Field(default=KEYED_TTL_SECONDS, ge=60, le=7_776_000)
    notify: Notify | None = None
    """Where people are told of this run: what its trigger said, or the place in Slack where it was started."""
    cancel: Cancel | None = None


class Rejection(Record):
    """Why the agent's own guard rails refused the job."""

    reason: str | None = Field(default=None, max_length=1024)
    limit_type: str | None = Field(default=None, max_length=64)
    retry_after_seconds: int | None = None
    bypassed_limits: tuple[str, ...] = Field(default=(), max_length=16)


class Outcome(Record):
    """What an agent reported as the end of a job."""

    status: str = Field(max_length=16)
    exit_code: int | None = None
    message: str | None = Field(default=None, max_length=4096)
    output: dict[str, Any] | None = None
    received_at: Time


class SlackMessage(Record):
    """The message in Slack that shows a job."""

    team_id: str = Field(max_length=21)
    channel: str = Field(max_length=64)
    ts: str = Field(max_length=32)
    """Slack's id of the message in its channel."""
    phase: Phase
    """What the message is known to show: once that is the end, nothing is owed to it any more."""


class DeployJobStatus(Status):
    """Writer: apiserver, through `deplite_apiserver.jobs.transition` alone, but for `slack_message`."""

    phase: Phase = Phase.QUEUED
    reason: Reason | None = None
    message: str | None = Field(default=None, max_length=4096)
    exit_code: int | None = None
    output: dict[str, Any] | None = None
    instance: str | None = Field(default=None, max_length=64)
    """The agent process that claimed the job."""
    pod: str | None = Field(default=None, max_length=64)
    """The uid of the pod that this process was in, for an agent of an AgentPool."""
    turn_at: Time | None = None
    """When its turn in its concurrency group came; it is sent from then on."""
    started_at: Time | None = None
    finished_at: Time | None = None
    rejection: Rejection | None = None
    late_result: Outcome | None = None
    """A result that came after the job had been ended without it."""
    slack_message: SlackMessage | None = None
    """Writer: `deplite_apiserver.slack.delivery`."""


class DeployJob(Resource):
    """One run; its id is its name."""

    KIND: ClassVar[str] = "DeployJob"
    PLURAL: ClassVar[str] = "deployjobs"

    spec: DeployJobSpec
    status: DeployJobStatus = Field(default_factory=DeployJobStatus)

    @property
    def waits_for_group(self) -> bool:
        """Whether older jobs of its concurrency group come first."""
        return (
            self.status.phase is Phase.QUEUED
            and self.spec.concurrency_group is not None
            and self.status.turn_at is None
        )

    @property
    def storage_key(self) -> str:
        """What lies outside the cluster is keyed by this: `<id>-<first 8 characters of the uid>`."""
        return f"{self.name}-{self.metadata.uid[:8]}"
