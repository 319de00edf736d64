"""AgentPool: a DaemonSet's worth of agents, and what operator and apiserver must spell alike about them."""

import hashlib
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from deplite.resources.limits import ObjectName
from deplite.resources.resource import Record, Resource, Spec, Status
from deplite.resources.secrettemplate import AnnotationValue, LabelValue

AUDIENCE = "deplite-agent"
"""Of the ServiceAccount tokens that pods enrol with; people's have another one, so neither passes for the other."""
POOL_LABEL = "deplite.io/pool"
"""Names the pool of an Agent, a pod, and what the operator has made for it."""
TOKEN_FILE = "/var/run/secrets/deplite/token"  # noqa: S105
"""Where a pod finds its token."""
POOL_NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$"
"""No dot: a name of an Agent tells pool and node."""
QUANTITY_PATTERN = r"^[0-9]{1,15}(\.[0-9]{1,9})?(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"
_LONGEST_NAME = 253
_MARK = 16

Quantity = (
    Annotated[int, Field(ge=0, le=999_999_999_999_999)] | Annotated[str, Field(max_length=32, pattern=QUANTITY_PATTERN)]
)
Unavailable = (
    Annotated[int, Field(ge=1, le=5000)] | Annotated[str, Field(max_length=4, pattern=r"^([1-9][0-9]?|100)%$")]
)
"""A number of nodes, or a percentage of them."""
Seconds = Annotated[int, Field(ge=0, le=2_147_483_647)]


def account_of(pool: str) -> str:
    """Return the name of the ServiceAccount of a pool's pods; its DaemonSet has the same."""
    return f"{pool}-agents"


def pool_agent_name(pool: str, node: str) -> str:
    """Return the name of the Agent of a pool on a node: `<pool>.<node>`, cut and with a hash where that is too long."""
    name = f"{pool}.{node}"
    if len(name) <= _LONGEST_NAME:
        return name
    mark = hashlib.sha256(name.encode()).hexdigest()[:_MARK]
    return f"{name[: _LONGEST_NAME - _MARK - 1].rstrip('.-')}-{mark}"


class Toleration(Record):
    """A toleration as pods have it."""

    key: str | None = Field(default=None, max_length=317)
    operator: Literal["Exists", "Equal"] | None = None
    value: str | None = Field(default=None, max_length=63)
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: Seconds | None = None


class PullSecret(Record):
    """A Secret that the kubelet pulls images with."""

    name: ObjectName


class WorkflowsSource(Record):
    """Where the pool's workflow files come from; without a field they are in the image."""

    config_map: ObjectName | None = None


class PodResources(Record):
    """What an agent pod and the steps in it request and may use."""

    requests: dict[str, Quantity] = Field(default_factory=dict, max_length=16)
    limits: dict[str, Quantity] = Field(default_factory=dict, max_length=16)


class AgentPoolSpec(Spec):
    """Which nodes, and what runs on them."""

    image: str | None = Field(default=None, min_length=1, max_length=512, pattern=r"^[A-Za-z0-9][^\s]*$")
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    image_pull_secrets: tuple[PullSecret, ...] = Field(default=(), max_length=16)
    node_selector: dict[str, LabelValue] = Field(default_factory=dict, max_length=32)
    tolerations: tuple[Toleration, ...] = Field(default=(), max_length=32)
    priority_class_name: ObjectName | None = None
    workflows: WorkflowsSource = Field(default_factory=WorkflowsSource)
    secret_name: ObjectName | None = None
    resources: PodResources = Field(default_factory=PodResources)
    concurrency: int = Field(default=16, ge=1, le=1000)
    termination_grace_period_seconds: int = Field(default=600, ge=60, le=86_400)
    max_unavailable: Unavailable = 1
    """How many agents may be away at once while pods are replaced."""
    pod_labels: dict[str, LabelValue] = Field(default_factory=dict, max_length=32)
    pod_annotations: dict[str, AnnotationValue] = Field(default_factory=dict, max_length=32)
    ttl_seconds_after_disconnected: int = Field(default=900, ge=30, le=604_800)
    """How long an agent whose node has no pod any more is kept."""


class PoolAccount(Record):
    """The very ServiceAccount that the pool's pods run as, and enrol by."""

    name: str = Field(max_length=253)
    uid: str = Field(max_length=64)


class AgentPoolStatus(Status):
    """Writer of all: operator."""

    desired: int | None = None
    updated: int | None = None
    ready: int | None = None
    image: str | None = Field(default=None, max_length=512)
    agents: tuple[Annotated[str, Field(max_length=253)], ...] = Field(default=(), max_length=5000)
    service_account: PoolAccount | None = None


class AgentPool(Resource):
    """Agents as pods, one a node."""

    KIND: ClassVar[str] = "AgentPool"
    PLURAL: ClassVar[str] = "agentpools"

    spec: AgentPoolSpec = Field(default_factory=AgentPoolSpec)
    status: AgentPoolStatus = Field(default_factory=AgentPoolStatus)
