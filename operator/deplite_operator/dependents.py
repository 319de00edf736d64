"""Which objects must be looked at again when one changes: itself, and those whose conditions speak of it."""

from collections.abc import Iterator
from typing import Any

from deplite.kube.cache import Change
from deplite.resources import Agent, AgentPool, ApiToken, EnrollmentToken, Resource, SlackInstallation, Trigger
from deplite.resources.apitoken import Grant
from deplite_operator.policies.agent import facts_of
from deplite_operator.world import Item, World, pool_of


def concerned(world: World, kind: type[Resource], change: Change[Any]) -> Iterator[Item]:
    """Yield the kinds and keys of the objects to look at."""
    if change.new is not None:
        yield kind, change.key
    came_or_went = (change.old is None) != (change.new is None)
    if kind is Agent:
        yield from _of_agent(world, change, came_or_went)
        yield from _pools(world, change)
    elif kind is Trigger and came_or_went:
        yield from _tokens(world, change, "triggers")
    elif kind is SlackInstallation:
        yield from _of_workspace(world, change)


def _of_agent(world: World, change: Change[Agent], came_or_went: bool) -> Iterator[Item]:
    old, new = (None if agent is None else facts_of(agent) for agent in (change.old, change.new))
    if old != new:
        yield from ((Trigger, trigger.key) for trigger in world.triggers.by("agent", change.key))
    if came_or_went:
        yield from ((EnrollmentToken, code.key) for code in world.codes.by("agent", change.key))
        yield from _tokens(world, change, "agents")


def _pools(world: World, change: Change[Agent]) -> Iterator[Item]:
    old, new = (None if agent is None else _presence(agent) for agent in (change.old, change.new))
    if old != new:
        keys = {pool_of(agent) for agent in (change.old, change.new) if agent is not None}
        yield from ((AgentPool, key) for key in keys if key is not None and world.pools.get(*key) is not None)


def _presence(agent: Agent) -> tuple[object, ...]:
    return pool_of(agent), agent.status.state, agent.status.pod, agent.spec.revoked


def _of_workspace(world: World, change: Change[SlackInstallation]) -> Iterator[Item]:
    """Whether one yields depends on which others of the workspace are connected."""
    if (old := _served(change.old)) != (new := _served(change.new)):
        for team in {old, new} - {None}:
            others = (other.key for other in world.slack.by("team", team) if other.key != change.key)
            yield from ((SlackInstallation, key) for key in others)


def _served(installation: SlackInstallation | None) -> str | None:
    """Return the workspace that one has connected."""
    return installation.spec.team_id if installation is not None and installation.serves else None


def _tokens(world: World, change: Change[Any], field: str) -> Iterator[Item]:
    namespace, name = change.key
    for token in world.tokens.by("namespace", namespace):
        if any(name in _named(grant, field) for grant in token.spec.grants):
            yield ApiToken, token.key


def _named(grant: Grant, field: str) -> tuple[str, ...]:
    return grant.agents if field == "agents" else grant.triggers
