"""What a token's grants reach. Pure."""

from deplite.resources import ApiToken, Trigger


def reaches_trigger(token: ApiToken, trigger: Trigger) -> bool:
    """Whether a grant names the trigger, or its whole agent."""
    if token.namespace != trigger.namespace:
        return False
    return any(
        (grant.type == "trigger" and trigger.name in grant.triggers)
        or (grant.type == "agent" and trigger.spec.agent in grant.agents)
        for grant in token.spec.grants
    )


def reaches_job(token: ApiToken, namespace: str, trigger: str | None, agent: str) -> bool:
    """Whether a grant names the job's trigger (also one that was deleted), or its agent; all by object names."""
    if token.namespace != namespace:
        return False
    return any(
        (grant.type == "trigger" and trigger is not None and trigger in grant.triggers)
        or (grant.type == "agent" and agent in grant.agents)
        for grant in token.spec.grants
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
