"""AgentPool: a DaemonSet's worth of agents."""

from typing import ClassVar, Literal

from pydantic import Field

from deplite.resources.limits import ObjectName
from deplite.resources.resource import Record, Resource, Spec, Status


class Toleration(Record):
    """A toleration as pods have it."""

    key: str | None = Field(default=None, max_length=317)
    operator: Literal["Exists", "Equal"] | None = None
    value: str | None = Field(default=None, max_length=63)
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: int | None = Field(default=None, ge=0, le=2_147_483_647)


class WorkflowsSource(Record):
    """Where the pool's workflow files come from; neither field means that they are in the image."""

    config_map: ObjectName | None = None


class AgentPoolSpec(Spec):
    """Which nodes, and what runs on them."""

    image: str | None = Field(default=None, max_length=512)
    node_selector: dict[str, str] = Field(default_factory=dict, max_length=32)
    tolerations: tuple[Toleration, ...] = Field(default=(), max_length=32)
    workflows: WorkflowsSource = Field(default_factory=WorkflowsSource)


class AgentPoolStatus(Status):
    """Writer of all: operator."""

    desired: int = 0
    ready: int = 0
    agents: tuple[str, ...] = Field(default=(), max_length=5000)


class AgentPool(Resource):
    """Agents as pods, one a node."""

    KIND: ClassVar[str] = "AgentPool"
    PLURAL: ClassVar[str] = "agentpools"

    spec: AgentPoolSpec = Field(default_factory=AgentPoolSpec)
    status: AgentPoolStatus = Field(default_factory=AgentPoolStatus)
