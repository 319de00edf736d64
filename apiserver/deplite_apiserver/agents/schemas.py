"""Bodies and answers of the agent endpoints that people call."""

from datetime import datetime
from typing import Literal

from pydantic import StrictBool

from deplite.resources import Agent
from deplite.resources.limits import DisplayName
from deplite_apiserver.edge.body import Closed, Shape
from deplite_apiserver.lookup import agent_id_of

AgentStatusWord = Literal["pending", "connected", "disconnected", "revoked"]
_WORDS: dict[str, AgentStatusWord] = {
    "Pending": "pending",
    "Connected": "connected",
    "Disconnected": "disconnected",
    "Revoked": "revoked",
}


class AgentPatch(Closed):
    """PATCH /agents/:id."""

    name: DisplayName | None = None
    suspended: StrictBool | None = None


class AgentShape(Shape):
    """An agent as REST shows it."""

    id: str
    name: str
    hostname: str | None
    os: str | None
    agent_version: str | None
    status: AgentStatusWord
    suspended: bool
    last_seen_at: datetime | None
    enrolled_at: datetime | None
    created_at: datetime | None


def shape_of(agent: Agent, heard_at: datetime | None) -> AgentShape:
    """Return an agent as REST shows it.

    Args:
        agent: the agent; its status tells of the last contact only as of its last change of state.
        heard_at: when this replica heard of it last.
    """
    status = agent.status
    return AgentShape(
        id=agent_id_of(*agent.key),
        name=agent.spec.display_name or agent.name,
        hostname=status.hostname,
        os=status.os,
        agent_version=status.agent_version,
        status="revoked" if agent.spec.revoked else _WORDS[status.state],
        suspended=agent.spec.suspended,
        last_seen_at=max((at for at in (status.last_seen_at, heard_at) if at is not None), default=None),
        enrolled_at=status.enrolled_at,
        created_at=agent.metadata.creation_timestamp,
    )
