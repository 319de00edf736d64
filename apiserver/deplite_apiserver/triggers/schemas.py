"""Bodies and answers of the trigger endpoints."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import Field, StrictBool, model_validator

from deplite.protocol.params import ParamError, check_bounds
from deplite.resources import Trigger
from deplite.resources.cron import schedule_problem
from deplite.resources.limits import DisplayName, GroupName, WorkflowName
from deplite.resources.notify import CHANNEL_PATTERN, Notify, TeamId
from deplite.resources.trigger import Concurrency, Schedule, ScheduleStatus, Timeouts, TriggerSpec
from deplite_apiserver.edge.body import Closed, Shape
from deplite_apiserver.lookup import agent_id_of, trigger_id_of

TriggerType = Literal["webhook", "manual", "schedule"]
ScopeType = Literal["workflow", "agent"]
ResponseMode = Literal["async", "sync"]


class ScheduleBody(Closed):
    """When a scheduled trigger fires."""

    cron: str = Field(min_length=1, max_length=128)
    time_zone: str = Field(default="UTC", min_length=1, max_length=64)
    missed_runs: Literal["skip", "latest"] = "skip"


class ConcurrencyBody(Closed):
    """What happens while another run of the group has not ended."""

    policy: Literal["allow", "queue", "replace"] = "allow"
    group: GroupName | None = None


class TimeoutsBody(Closed):
    """Seconds that a run may wait, and take."""

    queue_seconds: int = Field(default=900, ge=1, le=604_800, strict=True)
    job_seconds: int = Field(default=3600, ge=1, le=604_800, strict=True)


class SlackNoticeBody(Closed):
    """A card in Slack that follows a run to its end."""

    channel: str = Field(min_length=2, max_length=81, pattern=CHANNEL_PATTERN)
    team_id: TeamId | None = None
    when: Literal["always", "failure"] = "always"


class NotifyBody(Closed):
    """Where people are told of runs that were not started in Slack."""

    slack: SlackNoticeBody


class _Common(Closed):
    allowed_refs: tuple[str, ...] | None = Field(default=None, max_length=100)
    params: dict[str, Any] | None = None
    schedule: ScheduleBody | None = None
    concurrency: ConcurrencyBody | None = None
    timeouts: TimeoutsBody | None = None
    suspended: StrictBool | None = None
    notify: NotifyBody | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if any(not 1 <= len(pattern) <= 255 for pattern in self.allowed_refs or ()):
            raise ValueError("allowedRefs: each pattern has 1 to 255 characters")
        if len(set(self.allowed_refs or ())) != len(self.allowed_refs or ()):
            raise ValueError("allowedRefs: a pattern is there twice")
        try:
            check_bounds(self.params or {})
        except ParamError as error:
            raise ValueError(str(error)) from None
        return self


class TriggerCreate(_Common):
    """POST /orgs/:orgId/triggers."""

    agent_id: str = Field(max_length=64)
    name: DisplayName
    workflow_name: WorkflowName | None = None
    scope_type: ScopeType = "workflow"
    type: TriggerType = "webhook"
    response_mode: ResponseMode = "async"


class TriggerPatch(_Common):
    """PATCH /triggers/:id; absent members stay as they are."""

    name: DisplayName | None = None
    workflow_name: WorkflowName | None = None
    scope_type: ScopeType | None = None
    type: TriggerType | None = None
    response_mode: ResponseMode | None = None


class TriggerShape(Shape):
    """A trigger as REST shows it."""

    id: str
    name: str
    agent_id: str
    workflow_name: str | None
    scope_type: ScopeType
    type: TriggerType
    response_mode: ResponseMode
    allowed_refs: tuple[str, ...]
    params: dict[str, Any]
    schedule: Schedule | None
    schedule_status: ScheduleStatus | None
    """When it fires next, and what became of the last fire times."""
    concurrency: Concurrency
    timeouts: Timeouts
    suspended: bool
    notify: Notify | None
    url: str
    ready: bool
    reason: str | None
    last_job_id: str | None
    last_job_at: datetime | None
    created_at: datetime | None


def shape_of(trigger: Trigger, public_url: str) -> TriggerShape:
    """Return a trigger as REST shows it."""
    spec, status = trigger.spec, trigger.status
    ready = status.condition("Ready")
    trigger_id = trigger_id_of(*trigger.key)
    return TriggerShape(
        id=trigger_id,
        name=spec.display_name or trigger.name,
        agent_id=agent_id_of(trigger.namespace, spec.agent),
        workflow_name=spec.workflow,
        scope_type=spec.scope,
        type=spec.type,
        response_mode=spec.response_mode,
        allowed_refs=spec.allowed_refs,
        params=spec.params,
        schedule=spec.schedule,
        schedule_status=status.schedule if spec.type == "schedule" else None,
        concurrency=spec.concurrency,
        timeouts=spec.timeouts,
        suspended=spec.suspended,
        notify=spec.notify,
        url=f"{public_url}/triggers/{trigger_id}/run",
        ready=ready is not None and ready.status == "True",
        reason=ready.reason if ready else None,
        last_job_id=status.last_job,
        last_job_at=status.last_job_at,
        created_at=trigger.metadata.creation_timestamp,
    )


def spec_problem(spec: TriggerSpec) -> str | None:
    """Return what the rules across the fields of a spec forbid, or None; the CRD has the same rules."""
    if spec.scope == "workflow" and spec.workflow is None:
        return "workflowName: a trigger of scope workflow names one"
    if spec.scope == "agent" and spec.workflow is not None:
        return "workflowName: a trigger of scope agent names none; each run names one"
    if (spec.type == "schedule") != (spec.schedule is not None):
        return "schedule: goes with type schedule, and only with it"
    if spec.type == "schedule" and spec.workflow is None:
        return "workflowName: a scheduled trigger names one"
    problem = None if spec.schedule is None else schedule_problem(spec.schedule)
    return problem and f"schedule.{problem}"
