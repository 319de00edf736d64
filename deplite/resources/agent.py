"""Agent: a machine that runs workflows."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from deplite.resources.limits import DisplayName, RateLimit, WorkflowName
from deplite.resources.resource import Record, Resource, Spec, Status, Time


class WorkflowRateLimit(RateLimit):
    """The server-side limit of one workflow."""

    workflow: WorkflowName


class AgentSpec(Spec):
    """What an owner says of the agent."""

    display_name: DisplayName | None = None
    public_key: str | None = Field(default=None, max_length=1024)
    """Pins the key: enrolment with another one is refused."""
    workflow_rate_limits: tuple[WorkflowRateLimit, ...] = Field(default=(), max_length=200)
    suspended: bool = False
    revoked: bool = False
    """One way: never becomes false again."""


class AgentPod(Record):
    """The pod that an agent of an AgentPool enrolled from."""

    name: str = Field(max_length=253)
    uid: str = Field(max_length=64)
    node: str = Field(max_length=253)


class AgentStatus(Status):
    """Writer: apiserver; but conditions and observedGeneration, which are the operator's (not DuplicateIdentity)."""

    id: str | None = Field(default=None, max_length=64)
    """Writer: operator and apiserver alike (a pure function of namespace and name)."""
    public_key: str | None = Field(default=None, max_length=1024)
    enrolled_at: Time | None = None
    state: Literal["Pending", "Connected", "Disconnected", "Revoked"] = "Pending"
    last_seen_at: Time | None = None
    hostname: str | None = Field(default=None, max_length=253)
    os: str | None = Field(default=None, max_length=128)
    agent_version: str | None = Field(default=None, max_length=64)
    identity_timestamp: int | None = None
    """Unix seconds of the last accepted identity call; an earlier one is a replay."""
    workflows: tuple[dict[str, Any], ...] = Field(default=(), max_length=200)
    """The reported inventory as the agent sent it (`../protocol`, W), at most 256 KiB."""
    workflows_timestamp: int | None = None
    """Unix seconds of the last accepted report."""
    server_key_id: str | None = Field(default=None, max_length=64)
    """The server key that this agent pinned when it enrolled."""
    pod: AgentPod | None = None
    replaced_pods: tuple[Annotated[str, Field(max_length=64)], ...] = Field(default=(), max_length=16)
    """Uids of pods that another one took the place of, newest last: they never enrol again."""


class Agent(Resource):
    """A machine that enrolled, or that was declared and will."""

    KIND: ClassVar[str] = "Agent"
    PLURAL: ClassVar[str] = "agents"

    spec: AgentSpec = Field(default_factory=AgentSpec)
    status: AgentStatus = Field(default_factory=AgentStatus)

    def workflow(self, name: str) -> dict[str, Any] | None:
        """Return the reported metadata of a workflow, if the agent reported it."""
        return next((workflow for workflow in self.status.workflows if workflow.get("name") == name), None)
