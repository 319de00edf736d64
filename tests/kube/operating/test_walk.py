"""Specs change at random while the operator is killed now and then; back at the first specs, all is as it was."""

import asyncio
import random

import pytest

from deplite.kube.client import KubeClient
from deplite.resources import Resource, SlackInstallation
from tests.kube.operating.conftest import Operator
from tests.kube.operating.declared import KINDS, NAMES, Declared, specs
from tests.kube.operating.wandering import WALKS, Spec

_KILL_EVERY = 60
_MESSAGES = 28
"""There are fewer different ones to be told of a walk, however long it is."""


@pytest.mark.parametrize(
    "changes", [40, pytest.param(500, marks=(pytest.mark.full, pytest.mark.timeout(1200)))], ids="{} a kind".format
)
async def test_a_walk_over_specs_ends_where_it_began(
    changes: int, kube: KubeClient, organization: str, operator: Operator, seed: int
) -> None:
    chance = random.Random(seed)
    one = Declared(kube=kube, namespace=organization)
    await one.apply_all()
    await one.ready()
    await one.told()
    wanted, secrets, told = await one.ready(), await one.secrets(), await one.events("Minted")

    steps = [kind for kind in KINDS for _ in range(changes)]
    chance.shuffle(steps)
    for number, kind in enumerate(steps, 1):
        await one.set_spec(kind, _somewhere(kind, one, chance))
        if number % _KILL_EVERY == 0:
            operator.kill()
            await operator.start_again(kube, wait=chance.random() < 0.5)
        elif chance.random() < 0.3:
            await _judged(one, kind)

    for kind in chance.sample(KINDS, len(KINDS)):
        await one.set_spec(kind, specs(one.team)[kind])
    await one.settles(wanted)
    assert await one.secrets() == secrets  # no credential was minted or marked again
    assert await one.events("Minted") == told
    events = await one.events()
    assert len(set(events.values())) == len(events) < _MESSAGES  # none was told twice


def _somewhere(kind: type[Resource], one: Declared, chance: random.Random) -> Spec:
    spec = WALKS[kind](chance)
    return spec | {"teamId": one.team} if kind is SlackInstallation else spec


async def _judged(one: Declared, kind: type[Resource]) -> None:
    """Wait until the operator has said what it thinks of an object as it is now."""
    async with asyncio.timeout(60):
        while True:
            found = await one.kube.get(kind, one.namespace, NAMES[kind])
            if found.status.observed_generation == found.metadata.generation:  # type: ignore[attr-defined]
                return
            await asyncio.sleep(0.02)
