"""What the pods of a pool tell: on which node each is, whether it runs, and if not, why."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

_PULLING = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
_STARTING = {"ContainerCreating", "PodInitializing"}
_OVER = {"Succeeded", "Failed"}
PATIENCE_SECONDS = 20
"""A pod that is still being set up after so long is asked after: its Events say what it waits for."""
RESTART_SECONDS = 60
"""A process that was started again counts as ending again and again until it has run for so long."""

AGENT = "agent"
"""Its container; others may have put more into the pod."""

Body = Mapping[str, Any]


class Trouble(Enum):
    """Why a pod does not run."""

    UNSCHEDULABLE = "unschedulable"
    PULLING = "pulling"
    """Its image cannot be had."""
    ENDING = "ending"
    """Its process ends again and again."""
    MEMORY = "memory"
    """Its process is killed again and again, for it uses more memory than it may."""
    REFUSED = "refused"
    """The kubelet does not start it."""
    STUCK = "stuck"
    """It is being set up for too long."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PodFacts:
    """One pod with the label of a pool, and all that is kept of it: a pool may have thousands."""

    name: str
    uid: str
    controller: str = ""
    """The uid of what made it and minds it; empty where nothing does."""
    account: str = ""
    """The ServiceAccount that it runs as."""
    node: str
    """Where it runs or is to run; empty where nobody knows."""
    ends_at: datetime | None = None
    """When its grace period is over, where it was told to end: its jobs may still run."""
    ready: bool
    image: str = ""
    """What it is to run."""
    trouble: Trouble | None = None
    detail: str = ""
    """What Kubernetes says of the trouble, or the exit code."""

    @property
    def ending(self) -> bool:
        """Whether it was told to end."""
        return self.ends_at is not None

    @property
    def place(self) -> str:
        """Its node for a sentence."""
        return self.node or "a node"


def pod_of(body: Body, now: datetime) -> PodFacts | None:
    """Return what a pod tells that the API server sent; None where it has ended.

    Args:
        body: the pod.
        now: the present moment, UTC.
    """
    metadata, spec, status = body["metadata"], body["spec"], body.get("status", {})
    if status.get("phase") in _OVER:
        return None
    trouble, detail = _trouble(body, now)
    ends_at = metadata.get("deletionTimestamp")
    return PodFacts(
        name=metadata["name"],
        uid=metadata["uid"],
        controller=_controller(metadata),
        account=spec.get("serviceAccountName", ""),
        node=spec.get("nodeName") or _aimed_at(spec),
        ends_at=None if ends_at is None else datetime.fromisoformat(ends_at),
        ready=_condition(status, "Ready").get("status") == "True",
        image=next((one["image"] for one in spec["containers"] if one["name"] == AGENT), ""),
        trouble=trouble,
        detail=detail,
    )


def _controller(metadata: Body) -> str:
    owners = metadata.get("ownerReferences") or ()
    return next((str(owner["uid"]) for owner in owners if owner.get("controller")), "")


def _aimed_at(spec: Body) -> str:
    """Return the node that a DaemonSet made a pod for."""
    required = spec.get("affinity", {}).get("nodeAffinity", {}).get("requiredDuringSchedulingIgnoredDuringExecution")
    for term in (required or {}).get("nodeSelectorTerms", ()):
        for field in term.get("matchFields", ()):
            if field.get("key") == "metadata.name" and field.get("values"):
                return str(field["values"][0])
    return ""


def _condition(status: Body, type_: str) -> Body:
    return next((one for one in status.get("conditions", ()) if one["type"] == type_), {})


def _trouble(body: Body, now: datetime) -> tuple[Trouble | None, str]:
    status = body.get("status", {})
    scheduled = _condition(status, "PodScheduled")
    if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
        return Trouble.UNSCHEDULABLE, str(scheduled.get("message", ""))
    agent = next((one for one in status.get("containerStatuses", ()) if one["name"] == AGENT), None)
    waiting = {} if agent is None else agent["state"].get("waiting", {})
    reason, message = waiting.get("reason"), str(waiting.get("message", ""))
    if reason in _PULLING:
        # The kubelet says why in one state, and that it waits to try again, and why, in the other.
        return Trouble.PULLING, message.rpartition("ErrImagePull: ")[2] or str(reason)
    if agent is not None and _ends_again(agent, now):
        return _ended(agent)
    if reason and reason not in _STARTING:
        return Trouble.REFUSED, message or str(reason)
    if waiting and _seconds_since(body["metadata"]["creationTimestamp"], now) > PATIENCE_SECONDS:
        return Trouble.STUCK, ""
    return None, ""


def _ends_again(agent: Body, now: datetime) -> bool:
    if (running := agent["state"].get("running")) is None:
        return bool(agent.get("restartCount")) and agent["state"].get("waiting", {}).get("reason") not in _STARTING
    return agent.get("restartCount", 0) > 1 and _seconds_since(running["startedAt"], now) < RESTART_SECONDS


def _seconds_since(moment: str, now: datetime) -> float:
    return (now - datetime.fromisoformat(moment)).total_seconds()


def _ended(agent: Body) -> tuple[Trouble, str]:
    last = agent["state"].get("terminated") or agent.get("lastState", {}).get("terminated") or {}
    if last.get("reason") == "OOMKilled":
        return Trouble.MEMORY, ""
    return Trouble.ENDING, str(last.get("exitCode", "unknown"))
