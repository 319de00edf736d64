"""After a restart every read comes from an older snapshot, while writes meet the present (F23)."""

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any

from deplite.kube.client import KubeClient, path_of
from deplite.resources import AgentPool, ApiToken, EnrollmentToken, Organization, SlackInstallation, Trigger
from tests.kube.operating.conftest import Operator
from tests.kube.operating.declared import KINDS, NAMES, Declared, specs
from tests.kube.operating.past import Past
from tests.organizations import create_organization, delete_namespace

_ROUNDS = 3


async def test_f23_reads_from_the_past_change_nothing_newer(
    kube: KubeClient, organization: str, operator: Operator
) -> None:
    gone, later = (Declared(kube=kube, namespace=f"org-{secrets.token_hex(5)}") for _ in range(2))
    one = Declared(kube=kube, namespace=organization)
    await create_organization(kube, gone.namespace)
    for each in (one, gone):
        await each.apply_all()
        await each.ready()
        await each.told()
    past = await Past.now(kube, (organization, gone.namespace))

    await create_organization(kube, later.namespace)
    await later.apply_all()
    await _go_on(one)
    await one.told(4)  # the other token and the other code as well
    await later.told()
    await gone.ready()  # as long as the operator may still mint there
    for kind in KINDS:
        await kube.delete(kind, gone.namespace, NAMES[kind])
    await gone.emptied()  # the garbage collector takes what was made for the pool
    wanted = [await one.ready(), await later.ready(), {}]
    everything = (one, later, gone)
    before = [await each.objects() for each in everything]

    operator.kill()
    operator.proxy.fault = past
    await operator.start_again(kube)
    async with asyncio.timeout(120):
        while past.listed[path_of(KINDS[-1], None)] < _ROUNDS:
            await asyncio.sleep(0.1)
    assert [await each.objects() for each in everything] == before
    assert operator.process is not None
    assert operator.process.poll() is None

    operator.proxy.heal()
    past.over.set()
    await kube.patch(Trigger, organization, "deploy", {"spec": {"suspended": True}})
    async with asyncio.timeout(60):  # it is in the present again
        while (await one.reasons())["Trigger deploy"]:
            await asyncio.sleep(0.1)
    await kube.patch(Trigger, organization, "deploy", {"spec": {"suspended": False}})
    for each, outcome in zip(everything, wanted, strict=True):
        await each.settles(outcome)
    for each, objects in zip(everything, before, strict=True):
        assert await each.secrets() == {
            name.removeprefix("Secret "): body for name, body in objects.items() if name.startswith("Secret ")
        }
    for each in (later, gone):
        await delete_namespace(kube, each.namespace)


async def _go_on(one: Declared) -> None:
    """Change each object so that its past would undo it: other credentials, other specs, made anew."""
    kube, namespace = one.kube, one.namespace
    old = await one.secrets()
    await kube.patch(ApiToken, namespace, "ci", {"spec": {"rotation": 1}})
    await kube.delete(EnrollmentToken, namespace, "web")
    await kube.delete_secret(namespace, "web-code")
    await one.apply(EnrollmentToken)
    await kube.patch(Organization, namespace, "organization", {"spec": {"displayName": "Later"}})
    await one.set_spec(Trigger, specs(one.team)[Trigger] | {"displayName": "Later"})
    await kube.delete(SlackInstallation, namespace, "acme")
    await one.apply(SlackInstallation)
    await one.set_spec(AgentPool, specs(one.team)[AgentPool] | {"concurrency": 7})
    async with asyncio.timeout(60):
        while _minted(await one.secrets()) & _minted(old):
            await asyncio.sleep(0.1)


def _minted(secrets: Mapping[str, Mapping[str, Any]]) -> set[str]:
    return {secrets[name]["data"]["token"] for name in ("ci-token", "web-code") if name in secrets}
