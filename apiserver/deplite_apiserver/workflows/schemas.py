"""What agents report of their workflows, and how REST shows it."""

from collections import Counter
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, StrictBool, model_validator

from deplite.resources import Agent
from deplite.resources.identifiers import object_id
from deplite.resources.limits import MAX_RATE, WorkflowName
from deplite_apiserver.edge.body import Closed, Shape
from deplite_apiserver.lookup import agent_id_of

MAX_WORKFLOWS = 200
MAX_INVENTORY_BYTES = 256 * 1024

Text = Annotated[str, Field(max_length=1024)]
Name = Annotated[str, Field(min_length=1, max_length=128)]
Scalar = str | int | float | bool
Backoff = Literal["fixed", "linear", "exponential"]


class SecretReport(Closed):
    """A secret by name; its value never leaves the agent."""

    name: Name
    required: StrictBool | None = None
    description: Text | None = None


class ParamReport(Closed):
    """A parameter of a workflow."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    type: Literal["string", "number", "boolean", "enum"]
    required: StrictBool | None = None
    description: Text | None = None
    default: Scalar | None = None
    pattern: Annotated[str, Field(max_length=512)] | None = None
    options: tuple[Scalar, ...] | None = Field(default=None, max_length=200)
    min: int | float | None = None
    max: int | float | None = None


class OutputReport(Closed):
    """An output of a workflow."""

    name: Name
    type: Annotated[str, Field(max_length=32)]
    description: Text | None = None


class RetryReport(Closed):
    """How often something is tried."""

    max_attempts: int = Field(ge=1, le=100)
    backoff: Backoff
    initial_delay_seconds: int | float | None = Field(default=None, ge=0)
    max_delay_seconds: int | float | None = Field(default=None, ge=0)


class StepReport(Closed):
    """A step by name; what it runs never leaves the agent."""

    id: Name | None = None
    name: Name
    timeout_minutes: int | float | None = Field(default=None, gt=0)
    verbose: StrictBool | None = None
    continue_on_error: StrictBool | None = None
    retry: RetryReport | None = None


class WorkflowReport(Closed):
    """One workflow of an agent."""

    name: WorkflowName
    description: Text | None = None
    version: Annotated[str, Field(max_length=128)] | int | float | None = None
    schema_version: Annotated[str, Field(max_length=32)] | int | float | None = None
    verbose_steps: StrictBool | tuple[Name, ...] | None = None
    secrets_keys: tuple[Name, ...] | None = Field(default=None, max_length=200)
    secrets: tuple[SecretReport, ...] | None = Field(default=None, max_length=200)
    params: tuple[ParamReport, ...] | None = Field(default=None, max_length=100)
    outputs: tuple[OutputReport, ...] | None = Field(default=None, max_length=100)
    retry: RetryReport | None = None
    steps: tuple[StepReport, ...] | None = Field(default=None, max_length=200)


class Inventory(Closed):
    """POST /agent/workflows/report: replaces the whole inventory."""

    workflows: tuple[WorkflowReport, ...] = Field(max_length=MAX_WORKFLOWS)

    @model_validator(mode="after")
    def _unique_names(self) -> Self:
        name, count = (
            Counter(workflow.name for workflow in self.workflows).most_common(1)[0] if self.workflows else ("", 0)
        )
        if count > 1:
            raise ValueError(f"the name {name} is there twice")
        return self


class Counted(Shape):
    """How many workflows are known now."""

    count: int


Bound = Annotated[int, Field(ge=1, le=MAX_RATE, strict=True)]


class RateLimitPatch(Closed):
    """PATCH …/rate-limit; null removes a bound, an absent member stays."""

    per_minute: Bound | None = None
    per_hour: Bound | None = None
    per_day: Bound | None = None


class RateLimitShape(Shape):
    """The server-side limit of a workflow; null: no limit."""

    workflow_name: str
    per_minute: int | None = None
    per_hour: int | None = None
    per_day: int | None = None


class LimitShape(Shape):
    """Runs in each window; null: no limit."""

    per_minute: int | None
    per_hour: int | None
    per_day: int | None


class WorkflowShape(Shape):
    """A workflow: what its agent reported (steps, retry, outputs, … where it did), with ids and the limit."""

    model_config = ConfigDict(extra="allow")

    id: str
    agent_id: str
    name: str
    description: str | None
    version: str | int | float | None
    secrets_keys: list[str]
    params_schema: list[ParamReport]
    rate_limit: LimitShape


class RefreshShape(Shape):
    """Whether the agent was there to be asked."""

    requested: bool


def shape_of(agent: Agent, workflow: dict[str, Any]) -> dict[str, Any]:
    """Return a reported workflow as REST shows it: what the agent said, with ids."""
    name = workflow["name"]
    secrets = [secret["name"] for secret in workflow.get("secrets", ())]
    limit = next((one for one in agent.spec.workflow_rate_limits if one.workflow == name), None)
    return {
        "id": object_id("wf", agent.namespace, f"{agent.name}/{name}"),
        "agentId": agent_id_of(*agent.key),
        "description": None,
        "version": None,
        "secretsKeys": secrets,
        "paramsSchema": workflow.get("params", []),
        "rateLimit": {
            "perMinute": limit.per_minute if limit else None,
            "perHour": limit.per_hour if limit else None,
            "perDay": limit.per_day if limit else None,
        },
    } | workflow
