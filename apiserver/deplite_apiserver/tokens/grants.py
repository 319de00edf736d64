"""What a token's grants reach. Pure."""

from collections.abc import Sequence

from deplite.resources import ApiToken, Trigger
from deplite.resources.apitoken import Grant, Permission


def reaches(grants: Sequence[Grant], *, trigger: str | None, agent: str) -> bool:
    """Whether one of the grants reaches a trigger (also one that was deleted) or an agent; all by object names."""
    return any(
        (grant.type == "trigger" and trigger is not None and trigger in grant.triggers)
        or (grant.type == "agent" and agent in grant.agents)
        for grant in grants
    )


def granted_workflows(token: ApiToken, triggers: list[Trigger]) -> dict[str, frozenset[str] | None]:
    """Return the agents in the grants, by object name: each with the workflows that may be run, None for all.

    Args:
        token: the token.
        triggers: the triggers of its organization.
    """
    named = {name for grant in token.spec.grants if grant.type == "trigger" for name in grant.triggers}
    found: dict[str, frozenset[str] | None] = {}
    for trigger in triggers:
        if trigger.name in named:
            before = found.get(trigger.spec.agent, frozenset())
            whole = before is None or trigger.spec.workflow is None
            found[trigger.spec.agent] = None if whole else frozenset({*(before or ()), str(trigger.spec.workflow)})
    for grant in token.spec.grants:
        found |= dict.fromkeys(grant.agents if grant.type == "agent" else ())
    return found


def covers(grants: Sequence[Grant], binding: str | None) -> bool:
    """Whether one of the storage grants is for files of a label, whatever it permits; absent labels only by "any"."""
    return any(grant.type == "storage" and _names(grant, binding) for grant in grants)


def permits(grants: Sequence[Grant], permission: Permission, binding: str | None) -> bool:
    """Whether one of the storage grants permits something for files of a label."""
    return any(
        grant.type == "storage" and permission in grant.permissions and _names(grant, binding) for grant in grants
    )


def permits_somewhere(grants: Sequence[Grant], permission: Permission) -> bool:
    """Whether one of the storage grants permits something for files of any label at all."""
    return any(grant.type == "storage" and permission in grant.permissions for grant in grants)


def _names(grant: Grant, binding: str | None) -> bool:
    return grant.bindings is None or binding in grant.bindings
