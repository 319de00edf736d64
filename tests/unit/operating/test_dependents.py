"""Who is looked at again when something changes."""

from typing import Any

import pytest

from deplite.kube.cache import Change
from deplite.resources import Agent, ApiToken, EnrollmentToken, Resource, Trigger
from deplite_operator.dependents import concerned
from deplite_operator.world import World
from tests.unit.operating.builders import agent, code, token, trigger


def world() -> World:
    known = World(None)  # type: ignore[arg-type]  # nothing is listed here
    by_agent = [{"type": "agent", "agents": ["web"]}]
    for resource in (trigger(), token(grants=by_agent), code(agent="web")):
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


def test_trigger_concerns_the_tokens_that_grant_it() -> None:
    known = World(None)  # type: ignore[arg-type]
    known.note(token())
    change = Change(key=trigger().key, old=None, new=trigger())
    assert list(concerned(known, Trigger, change)) == [(Trigger, trigger().key), (ApiToken, token().key)]
    change = Change(key=trigger().key, old=trigger(), new=trigger(suspended=True))
    assert list(concerned(known, Trigger, change)) == [(Trigger, trigger().key)]
