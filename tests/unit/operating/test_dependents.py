"""Who is looked at again when something changes."""

from typing import Any

import pytest

from deplite.kube.cache import Change
from deplite.resources import Agent, AgentPool, ApiToken, EnrollmentToken, Resource, Trigger
from deplite_operator.dependents import concerned
from deplite_operator.world import World
from tests.unit.operating.builders import agent, code, pool, pool_agent, token, trigger


def world() -> World:
    known = World(None)  # type: ignore[arg-type]  # nothing is listed here
    by_agent = [{"type": "agent", "agents": ["web"]}]
    for resource in (trigger(), token(grants=by_agent), code(agent="web"), pool()):
        known.note(resource)
    return known


def who(kind: type[Resource], old: Any, new: Any) -> set[type[Resource]]:
    key = (old or new).key
    return {found for found, _ in concerned(world(), kind, Change(key=key, old=old, new=new))}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (None, agent(), {Agent, Trigger, ApiToken, EnrollmentToken}),
        (agent(), None, {Trigger, ApiToken, EnrollmentToken}),
        (agent(), agent(spec={"suspended": True}), {Agent, Trigger}),
        (agent(), agent(workflows=[]), {Agent, Trigger}),
        (agent(), agent(state="Disconnected", lastSeenAt="2026-06-01T12:00:00Z"), {Agent}),
    ],
)
def test_agent(old: Agent | None, new: Agent | None, expected: set[type[Resource]]) -> None:
    assert who(Agent, old, new) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (None, pool_agent(), {Agent, AgentPool}),
        (pool_agent(), None, {AgentPool}),
        (pool_agent(), pool_agent(state="Disconnected"), {Agent, AgentPool}),
        (pool_agent(), pool_agent(pod="another"), {Agent, AgentPool}),
        (pool_agent(), pool_agent(spec={"revoked": True}), {Agent, AgentPool}),
        (pool_agent(), pool_agent(workflows=[{"name": "w"}]), {Agent}),
    ],
)
def test_an_agent_of_a_pool(old: Agent | None, new: Agent | None, expected: set[type[Resource]]) -> None:
    assert who(Agent, old, new) == expected


def test_an_agent_that_leaves_a_pool_concerns_it() -> None:
    without = pool_agent().model_copy(update={"metadata": pool_agent().metadata.model_copy(update={"labels": {}})})
    assert who(Agent, pool_agent(), without) == {Agent, AgentPool}


def test_a_pool_that_is_not_there_is_not_looked_at() -> None:
    elsewhere = pool_agent().metadata.model_copy(update={"labels": {"deplite.io/pool": "gone"}})
    assert who(Agent, None, pool_agent().model_copy(update={"metadata": elsewhere})) == {Agent}


def test_trigger_concerns_the_tokens_that_grant_it() -> None:
    known = World(None)  # type: ignore[arg-type]
    known.note(token())
    change = Change(key=trigger().key, old=None, new=trigger())
    assert list(concerned(known, Trigger, change)) == [(Trigger, trigger().key), (ApiToken, token().key)]
    change = Change(key=trigger().key, old=trigger(), new=trigger(suspended=True))
    assert list(concerned(known, Trigger, change)) == [(Trigger, trigger().key)]
