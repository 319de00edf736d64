"""What people are told of by Events: a credential that came into its Secret, and what only they can mend."""

from collections.abc import Iterator
from datetime import datetime

from deplite.kube.event import Event
from deplite.resources import Agent, AgentPool, ApiToken, EnrollmentToken, Resource
from deplite.resources.reasons import AGENT_REMOVED, MINTED, STALLED
from deplite.resources.resource import Status

COMPONENT = "deplite-operator"


def events_of(before: Resource, after: Resource, now: datetime) -> Iterator[Event]:
    """Yield what is worth telling of a status that we have written.

    Each has a key: what comes back is told once while its Event is kept.

    Args:
        before: the object as it was judged.
        after: the object as it was written.
        now: the present moment, UTC.
    """
    uid = after.metadata.uid
    had, has = _stalled(before), _stalled(after)
    if has is not None and has != had:
        reason, message = has
        key = f"{uid} {reason} {message}"
        yield Event(reason=reason, message=message, component=COMPONENT, at=now, warning=True, key=key)
    credential = _credential(after)
    if credential is not None and credential != _credential(before):
        sha256, message = credential
        yield Event(reason=MINTED, message=message, component=COMPONENT, at=now, key=f"{uid} {sha256}")


def agent_removed(pool: AgentPool, agent: Agent, now: datetime) -> Event:
    """Return what is told of an Agent that was deleted for its node has no pod any more."""
    seconds = pool.spec.ttl_seconds_after_disconnected
    message = f"Agent {agent.name} was deleted: for more than {seconds} s its node has had no pod of the pool."
    return Event(
        reason=AGENT_REMOVED, message=message, component=COMPONENT, at=now, key=f"{agent.metadata.uid} removed"
    )


def _stalled(resource: Resource) -> tuple[str, str] | None:
    status: Status = resource.status  # type: ignore[attr-defined]  # every kind has one
    condition = status.condition(STALLED)
    return None if condition is None else (condition.reason, condition.message)


def _credential(resource: Resource) -> tuple[str, str] | None:
    """Return the hash that a status shows, and the sentence that tells of it."""
    match resource:
        case ApiToken() if resource.status.hashes:
            newest = resource.status.hashes[0]
            return newest.sha256, f"Secret {resource.spec.secret_name} holds the token {newest.prefix}…."
        case EnrollmentToken() if resource.status.hash is not None:
            return resource.status.hash, f"Secret {resource.spec.secret_name} holds the code {resource.status.prefix}…."
    return None
