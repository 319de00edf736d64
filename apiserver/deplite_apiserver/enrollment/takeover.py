"""What becomes of a pool's Agent when a pod enrols as it. Pure.

The newest pod on a node is the agent. One that was replaced is refused for good, so two pods never take the agent from
each other in turns.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deplite.resources.agent import Agent, AgentPod
from deplite.resources.agentpool import AgentPool

KEPT = 16
"""Replaced pods that are remembered; as many as the kind has room for."""


@dataclass(frozen=True, kw_only=True)
class Takeover:
    """A merge patch of the Agent's status; empty where it says all that already."""

    patch: Mapping[str, Any]
    replaces: str | None = None
    """The uid of the pod that was the agent before."""


@dataclass(frozen=True, kw_only=True)
class Replaced:
    """The pod was replaced by another one, and stays so; the patch, where there is one, keeps it in memory."""

    patch: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Who enrols, and what is to be written of it."""

    pod: AgentPod
    public_key: str
    server_key_id: str
    os: str | None
    agent_version: str | None


def take_over(agent: Agent, claim: Claim, now: str) -> Takeover | Replaced:
    """Say what a pod that enrols changes.

    Args:
        agent: the Agent as it is.
        claim: the pod, its key and what it says of itself.
        now: the present moment, as objects spell it.
    """
    status, pod = agent.status, claim.pod
    if pod.uid in status.replaced_pods:
        return Replaced(patch=_recalled(status.replaced_pods, pod.uid))
    former = status.pod.uid if status.pod is not None and status.pod.uid != pod.uid else None
    wanted: dict[str, Any] = {
        "publicKey": claim.public_key,
        "serverKeyId": claim.server_key_id,
        "hostname": pod.node,
        "os": claim.os,
        "agentVersion": claim.agent_version,
        "pod": pod.wire(),
    }
    said = status.wire()
    if all(said.get(key) == value for key, value in wanted.items()):
        return Takeover(patch={})
    if status.public_key != claim.public_key:
        # Other clocks signed what came before. The workflows stay until this pod reports its own: all pods of a pool
        # have the same ones, and between two of them runs are to be accepted.
        wanted |= {"workflowsTimestamp": None, "identityTimestamp": None, "enrolledAt": now}
    if former is not None:
        wanted["replacedPods"] = [*status.replaced_pods, former][-KEPT:]
    return Takeover(patch=wanted, replaces=former)


def _recalled(replaced: tuple[str, ...], uid: str) -> Mapping[str, Any]:
    """Return the patch by which a pod that goes on trying stays among those that are remembered."""
    if replaced.index(uid) >= len(replaced) - KEPT // 2:
        return {}
    return {"replacedPods": [*(one for one in replaced if one != uid), uid]}


def is_of(agent: Agent, pool: AgentPool) -> bool:
    """Whether the Agent was made for this very pool."""
    return pool.controls(agent.metadata)


def is_of_former(agent: Agent, pool: AgentPool) -> bool:
    """Whether the Agent was made for a pool of this name that is gone: the garbage collector is about to take it."""
    return any(
        owner.controller and (owner.kind, owner.name) == (AgentPool.KIND, pool.name) and owner.uid != pool.metadata.uid
        for owner in agent.metadata.owner_references
    )
