"""Whatever is applied first, and whatever the operator has made of it before the rest comes: it ends ready."""

import asyncio
import itertools
import random
import secrets
from collections.abc import Sequence

import pytest

from deplite.kube.client import KubeClient
from tests.kube.operating.declared import KINDS, NAMES, Declared
from tests.organizations import delete_namespace

pytestmark = pytest.mark.usefixtures("operator")

_DEPENDENT = ("Agent", "Trigger", "ApiToken", "EnrollmentToken")
"""Those whose conditions speak of each other: all their orders are tried, the others come in anywhere."""
_OTHERS = ("Organization", "AgentPool", "SlackInstallation", "Secret", "ConfigMap", "RoleBindings")
_AT_ONCE = 6


def orders(chance: random.Random) -> list[list[str]]:
    """Return every order of the dependent ones, the others at random places."""
    found = []
    for order in itertools.permutations(_DEPENDENT):
        mixed = list(order)
        for other in _OTHERS:
            mixed.insert(chance.randrange(len(mixed) + 1), other)
        found.append(mixed)
    return found


async def test_any_order_of_apply_ends_ready(kube: KubeClient, seed: int) -> None:
    room = asyncio.Semaphore(_AT_ONCE)

    async def tried(order: Sequence[str]) -> object:
        async with room:
            return await _applied(kube, order)

    first, *others = await asyncio.gather(*(tried(order) for order in orders(random.Random(seed))))
    for other in others:
        assert other == first


async def _applied(kube: KubeClient, order: Sequence[str]) -> object:
    one = Declared(kube=kube, namespace=f"org-{secrets.token_hex(5)}")
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": one.namespace}}
    await kube.connection.request("POST", "/api/v1/namespaces", body=namespace)
    for step in order:
        await one.steps[step]()
        await _judged(one)
    try:
        return await one.ready()
    except AssertionError as error:
        raise AssertionError(f"applied as {', '.join(order)}: {error}") from None
    finally:
        await delete_namespace(kube, one.namespace)


async def _judged(one: Declared) -> None:
    """Wait until the operator has said something of all that is there."""
    async with asyncio.timeout(60):
        while True:
            objects = await one.objects()
            present = [objects[name] for name in (f"{kind.KIND} {NAMES[kind]}" for kind in KINDS) if name in objects]
            if all(body.get("status", {}).get("conditions") for body in present):
                return
            await asyncio.sleep(0.05)
