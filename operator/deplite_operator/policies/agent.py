"""What is true of an Agent, and what of it matters to the objects that name it."""

from dataclasses import dataclass

from deplite.resources import Agent
from deplite.resources.identifiers import object_id
from deplite.resources.reasons import AGENT_REVOKED, CONNECTED, DISCONNECTED, NOT_ENROLLED, SUSPENDED
from deplite_operator.conditions import Finding, not_ready, ready, stalled
from deplite_operator.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class AgentFacts:
    """All that a Trigger, a token or a code needs to know of an Agent that exists."""

    enrolled: bool
    suspended: bool
    revoked: bool
    workflows: frozenset[str]


def facts_of(agent: Agent) -> AgentFacts:
    """Return the facts of an Agent."""
    return AgentFacts(
        enrolled=agent.status.public_key is not None,
        suspended=agent.spec.suspended,
        revoked=agent.spec.revoked,
        workflows=frozenset(str(workflow.get("name", "")) for workflow in agent.status.workflows),
    )


def judge_agent(agent: Agent) -> Verdict:
    """Say whether jobs sent to the agent would be run now."""
    return Verdict(findings=(_ready(agent),), fields={"id": object_id("ag", agent.namespace, agent.name)})


def _ready(agent: Agent) -> Finding:
    facts = facts_of(agent)
    if facts.revoked:
        return stalled(AGENT_REVOKED, "The agent was revoked; enrol the machine under another name.")
    if facts.suspended:
        return not_ready(SUSPENDED, "The agent is suspended; set spec.suspended to false to let it run jobs.")
    if not facts.enrolled:
        return not_ready(NOT_ENROLLED, "No machine has enrolled as this agent yet; start one with an enrolment code.")
    if agent.status.state != "Connected":
        return not_ready(DISCONNECTED, "The agent is not connected; its jobs wait until it is back.")
    return ready(CONNECTED, "The agent is connected.")
