"""What is true of an AgentPool: whether each node that it covers has an agent, and if not, why and what to do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from deplite.resources import Agent, AgentPool
from deplite.resources.agent import AgentSpec
from deplite.resources.agentpool import PoolAccount, account_of, pool_agent_name
from deplite.resources.reasons import (
    AGENT_REVOKED,
    AGENTS_NOT_CONNECTED,
    AVAILABLE,
    NO_NODES,
    PODS_REFUSED,
    ROLLING_OUT,
)
from deplite_operator.conditions import Finding, few, not_ready, quoted, ready, stalled
from deplite_operator.policies.pods import PodFacts, Trouble
from deplite_operator.policies.podtroubles import trouble_of
from deplite_operator.verdict import Verdict

MOST_AGENTS = 5000
"""That a status names."""


@dataclass(frozen=True, kw_only=True)
class DaemonSetFacts:
    """The DaemonSet of a pool, as its controller tells."""

    uid: str
    seen: bool
    """Whether its controller has looked at it as it is now."""
    desired: int
    updated: int
    ready: int


@dataclass(frozen=True, kw_only=True)
class PoolFacts:
    """What was found of a pool; None where nobody could look, or what is there is not the pool's."""

    image: str | None = None
    account: PoolAccount | None = None
    daemon_set: DaemonSetFacts | None = None
    pods: tuple[PodFacts, ...] | None = None
    """All with its label that have not ended."""
    agents: Mapping[str, Agent] = field(default_factory=dict)
    """Those that belong to it, by name."""
    obstacle: Finding | None = None
    """What kept the operator from making it what it should be."""

    @property
    def own(self) -> tuple[PodFacts, ...]:
        """The pods of its DaemonSet."""
        there = self.daemon_set
        return () if there is None else tuple(pod for pod in self.pods or () if pod.controller == there.uid)


def daemon_set_facts(body: Any) -> DaemonSetFacts:
    """Return the facts of a DaemonSet that the API server sent."""
    metadata, status = body["metadata"], body.get("status", {})
    return DaemonSetFacts(
        uid=metadata["uid"],
        seen=status.get("observedGeneration") == metadata["generation"],
        desired=status.get("desiredNumberScheduled", 0),
        updated=status.get("updatedNumberScheduled", 0),
        ready=status.get("numberReady", 0),
    )


def unexplained(facts: PoolFacts) -> str | None:
    """Return the uid of what only Events explain: a DaemonSet that has too few pods, or a pod that does not start."""
    if facts.daemon_set is None or facts.pods is None:
        return None
    if facts.daemon_set.seen and len(facts.own) < facts.daemon_set.desired:
        return facts.daemon_set.uid
    return next((pod.uid for pod in facts.own if pod.trouble is Trouble.STUCK), None)


def judge_agent_pool(pool: AgentPool, facts: PoolFacts, told: str = "") -> Verdict:
    """Say Ready, and what the status counts.

    Args:
        pool: the pool.
        facts: what was found.
        told: the newest warning about what `unexplained` returned.
    """
    finding = facts.obstacle or _ready(pool, facts, told)
    unsettled = finding.status == "False" and not finding.stalled
    return Verdict(findings=(finding,), fields=_fields(pool, facts), unsettled=unsettled)


def departed(pool: AgentPool, facts: PoolFacts, now: datetime) -> list[Agent]:
    """Return the agents that are to be deleted: disconnected for long, and their node has no pod with the pool's label.

    One that an owner has decided something of (suspended, limits, a pinned key) stays: the node could come back.
    """
    if facts.pods is None:
        return []
    kept = {pool_agent_name(pool.name, pod.node) for pod in facts.pods}
    before = now - timedelta(seconds=pool.spec.ttl_seconds_after_disconnected)
    return [agent for name, agent in facts.agents.items() if name not in kept and _gone_since(agent, now) < before]


def _gone_since(agent: Agent, now: datetime) -> datetime:
    decided = agent.spec != AgentSpec(display_name=agent.spec.display_name)
    if decided or agent.status.state not in ("Pending", "Disconnected"):
        return now
    return agent.status.last_seen_at or agent.status.enrolled_at or agent.metadata.creation_timestamp or now


def _fields(pool: AgentPool, facts: PoolFacts) -> dict[str, Any]:
    fields: dict[str, Any] = {"agents": sorted(facts.agents)[:MOST_AGENTS]}
    if facts.image is not None:
        fields["image"] = facts.image
        fields["serviceAccount"] = None if facts.account is None else facts.account.wire()
        there = facts.daemon_set
        fields["desired"] = 0 if there is None else there.desired
        fields["updated"] = 0 if there is None else there.updated
        fields["ready"] = sum(_serves(pool, pod, facts) for pod in facts.own if not pod.ending)
    return fields


def _ready(pool: AgentPool, facts: PoolFacts, told: str) -> Finding:
    there, pods = facts.daemon_set, facts.own
    name = account_of(pool.name)
    if there is None or not there.seen:
        return not_ready(ROLLING_OUT, f"Kubernetes has not yet begun with the pods of DaemonSet {name}.")
    if there.desired == 0:
        return not_ready(
            NO_NODES, "No node matches spec.nodeSelector and spec.tolerations; label a node, or change them."
        )
    if len(pods) < there.desired and told:
        advice = "change the pool, or the policy or quota that forbids them"
        return not_ready(PODS_REFUSED, f"Kubernetes refuses the pods of DaemonSet {name}; {advice}: {quoted(told)}")
    lacking = [pod for pod in pods if not pod.ending and not _serves(pool, pod, facts)]
    finding = _revoked(pool, facts, lacking) or trouble_of(pool, lacking, told)
    return finding or _rolling_out(pool, there, pods) or _connected(pool, facts, lacking)


def _revoked(pool: AgentPool, facts: PoolFacts, lacking: Sequence[PodFacts]) -> Finding | None:
    names = sorted(pool_agent_name(pool.name, pod.node) for pod in lacking)
    revoked = [name for name in names if name in facts.agents and facts.agents[name].spec.revoked]
    if not revoked:
        return None
    what = f"Agent {few(revoked)} was revoked, so its node has none"
    return stalled(AGENT_REVOKED, f"{what}; delete the Agent to have the node enrol anew.")


def _rolling_out(pool: AgentPool, there: DaemonSetFacts, pods: Sequence[PodFacts]) -> Finding | None:
    ending = sorted(pod.place for pod in pods if pod.ending)
    if there.updated < there.desired or len(pods) < there.desired or ending:
        seconds = pool.spec.termination_grace_period_seconds
        draining = f"; jobs on {few(ending)} may go on for {seconds} s" if ending else ""
        done = min(there.updated, there.desired)
        return not_ready(ROLLING_OUT, f"{done} of {there.desired} nodes have a pod as the spec says{draining}.")
    starting = sorted(pod.place for pod in pods if not pod.ready)
    if starting or there.ready < there.desired:
        where = few(starting) or "some nodes"
        return not_ready(
            ROLLING_OUT, f"The pods on {where} are not ready yet; if this stays, see whether the nodes are."
        )
    return None


def _connected(pool: AgentPool, facts: PoolFacts, lacking: Sequence[PodFacts]) -> Finding:
    names = sorted(pool_agent_name(pool.name, pod.node) for pod in lacking)
    if names:
        advice = "if this stays, see the logs of their pods, and whether they reach the server"
        return not_ready(AGENTS_NOT_CONNECTED, f"{few(names)} did not connect from its pod yet; {advice}.")
    return ready(AVAILABLE, f"Each of the {len(facts.own)} nodes has a connected agent.")


def _serves(pool: AgentPool, pod: PodFacts, facts: PoolFacts) -> bool:
    """Tell whether the agent of a node is connected from the pod that is there."""
    agent = facts.agents.get(pool_agent_name(pool.name, pod.node))
    if agent is None or agent.status.state != "Connected" or agent.status.pod is None:
        return False
    return agent.status.pod.uid == pod.uid
