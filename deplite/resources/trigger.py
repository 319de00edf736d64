"""Trigger: names an agent and one of its workflows, and says who may start it how."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from deplite.resources.limits import DisplayName, GroupName, ObjectName, Params, WorkflowName
from deplite.resources.notify import Notify
from deplite.resources.resource import Record, Resource, Spec, Status, Time

DEFAULT_JOB_SECONDS = 3600
DEFAULT_QUEUE_SECONDS = 900


class Schedule(Record):
    """When a trigger of type `schedule` fires."""

    cron: str = Field(min_length=1, max_length=128)
    time_zone: str = Field(default="UTC", min_length=1, max_length=64)
    missed_runs: Literal["skip", "latest"] = "skip"
    """What happens to fire times that passed while nobody could act: none is run, or the latest of the last day."""


class Concurrency(Record):
    """What happens when a run of the same group has not ended."""

    policy: Literal["allow", "queue", "replace"] = "allow"
    group: GroupName | None = None
    """Triggers of one group in a namespace exclude each other; absent: the trigger is its own group."""

    def group_of(self, trigger: str) -> str | None:
        """Return the concurrency group of a trigger's runs, by its object name; None: they run beside all others.

        The group of a trigger alone has a slash, which no name that people give has.
        """
        return None if self.policy == "allow" else self.group or f"trigger/{trigger}"


class Timeouts(Record):
    """How long a run may take, in seconds."""

    queue_seconds: int = Field(default=DEFAULT_QUEUE_SECONDS, ge=1, le=604_800)
    """Waiting for an agent that never was reachable, once the job's turn in its concurrency group has come."""
    job_seconds: int = Field(default=DEFAULT_JOB_SECONDS, ge=1, le=604_800)
    """From the claim (or, unclaimed, from the sending) to the end."""


class TriggerSpec(Spec):
    """What is started, and by whom."""

    display_name: DisplayName | None = None
    agent: ObjectName
    scope: Literal["workflow", "agent"] = "workflow"
    workflow: WorkflowName | None = None
    """Needed when the scope is `workflow`."""
    type: Literal["webhook", "manual", "schedule"] = "webhook"
    response_mode: Literal["async", "sync"] = "async"
    allowed_refs: tuple[str, ...] = Field(default=(), max_length=100)
    params: Params = Field(default_factory=dict)
    """Defaults under the params of a run."""
    schedule: Schedule | None = None
    concurrency: Concurrency = Field(default_factory=Concurrency)
    timeouts: Timeouts = Field(default_factory=Timeouts)
    ttl_seconds_after_finished: int = Field(default=172_800, ge=60, le=7_776_000)
    """How long its finished jobs stay in the cluster; jobs made with an idempotency key stay at least 48 hours."""
    suspended: bool = False
    notify: Notify | None = None
    """Where people are told of runs that were not started in Slack; those have their card where they were started."""


class ScheduleStatus(Record):
    """When a trigger of type `schedule` fires next, and what became of the last fire times."""

    cron: str = Field(min_length=1, max_length=128)
    """What the rest speaks of; with another schedule in the spec it begins anew."""
    time_zone: str = Field(min_length=1, max_length=64)
    next_fire_at: Time | None = None
    """Absent while the trigger is suspended or its schedule is wrong."""
    last_fire_at: Time | None = None
    """The last fire time that started a job."""
    last_skipped_at: Time | None = None
    """The last fire time that started none; code and message say why."""
    last_skipped_code: str | None = Field(default=None, max_length=64)
    last_skipped_message: str | None = Field(default=None, max_length=4096)

    def whole(self) -> dict[str, Any]:
        """Return it as JSON types under its wire names, null where it is absent: what a merge patch takes."""
        return self.model_dump(mode="json", by_alias=True)


class TriggerStatus(Status):
    """Writer: operator (id, url, conditions, observedGeneration); apiserver (last job, counts, schedule)."""

    id: str | None = Field(default=None, max_length=64)
    url: str | None = Field(default=None, max_length=2048)
    last_job: str | None = Field(default=None, max_length=64)
    last_job_phase: Literal["Queued", "Running", "Succeeded", "Failed"] | None = None
    last_job_at: Time | None = None
    runs: int = 0
    succeeded: int = 0
    failed: int = 0
    schedule: ScheduleStatus | None = None
    """Writer: the sweeper's `deplite_apiserver.sweeper.schedules`."""


class Trigger(Resource):
    """A way to start one workflow (or any workflow) of one agent."""

    KIND: ClassVar[str] = "Trigger"
    PLURAL: ClassVar[str] = "triggers"

    spec: TriggerSpec
    status: TriggerStatus = Field(default_factory=TriggerStatus)
