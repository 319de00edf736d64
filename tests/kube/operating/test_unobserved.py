"""Watches lose events: what happened unseen is found by the next list, and nothing else is needed (F24)."""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from aiohttp import web

from deplite.kube.client import KubeClient
from deplite.resources import (
    Agent,
    AgentPool,
    ApiToken,
    EnrollmentToken,
    Organization,
    Resource,
    SlackInstallation,
    Trigger,
)
from tests.faults.httpproxy import Exchange
from tests.kube.operating.conftest import Operator
from tests.kube.operating.declared import KINDS, NAMES, OF_POOL, Declared, specs
from tests.kube.operating.nodes import NODE

_AWAY: Mapping[type[Resource], Mapping[str, Any]] = {
    Organization: {"members": []},
    Agent: {"suspended": True},
    AgentPool: {"nodeSelector": {"deplite.test/nodes": "none"}, "secretName": "missing"},
    Trigger: {"agent": "web", "workflow": "another"},
    ApiToken: {"grants": [{"type": "agent", "agents": ["missing"]}], "secretName": "slack"},
    EnrollmentToken: {"label": "web", "agent": "missing", "secretName": "slack"},
    SlackInstallation: {"secretName": "missing"},
}
"""Specs that would leave nothing as it was."""


class OneList:
    """Lets each kind be listed once more, and holds every list after that until it is over."""

    def __init__(self) -> None:
        self.listed: Counter[str] = Counter()
        self.over = asyncio.Event()

    async def __call__(self, exchange: Exchange) -> web.StreamResponse | None:
        kind = exchange.path.removeprefix("/apis/deplite.io/v1alpha1/")
        if kind not in {one.PLURAL for one in KINDS} or exchange.watches:
            return None
        self.listed[kind] += 1
        if self.listed[kind] > 1:
            await self.over.wait()
        return None


async def _one_list_settles(
    operator: Operator, one: Declared, wanted: Mapping[str, Any], later: Collection[str] = ()
) -> None:
    """Wait until all is as wanted after one list of each kind; but for what can only come about later."""
    lists = OneList()
    operator.proxy.fault = lists
    try:
        await one.settles(wanted, but=later)
    finally:
        operator.proxy.fault = None
        lists.over.set()
    await one.settles(wanted)


async def test_f24_there_and_back_unseen(kube: KubeClient, organization: str, operator: Operator) -> None:
    one = Declared(kube=kube, namespace=organization)
    await one.apply_all()
    wanted, secrets = await one.ready(), await one.secrets()
    operator.proxy.unheard = lambda line: organization.encode() in line
    for kind in KINDS:
        spec = specs(one.team)[kind]
        await one.set_spec(kind, spec | _AWAY[kind])
        await one.set_spec(kind, spec)
    await _one_list_settles(operator, one, wanted)
    assert await one.secrets() == secrets


async def test_f24_gone_and_made_anew_unseen(kube: KubeClient, organization: str, operator: Operator) -> None:
    one = Declared(kube=kube, namespace=organization)
    await one.apply_all()
    wanted, secrets = await one.ready(), await one.secrets()
    operator.proxy.unheard = lambda line: organization.encode() in line
    for kind in KINDS:
        await kube.delete(kind, organization, NAMES[kind])
        await one.apply(kind)
    await _one_list_settles(operator, one, wanted, later=OF_POOL)
    found = await one.secrets()
    assert found.pop("web-code")["data"]["token"] != secrets.pop("web-code")["data"]["token"]  # a code has one life
    assert found == secrets


async def test_f24_what_others_speak_of_is_gone_unseen(kube: KubeClient, organization: str, operator: Operator) -> None:
    one = Declared(kube=kube, namespace=organization)
    await one.apply_all()
    await one.ready()
    await kube.delete(Agent, organization, "web")
    wanted = await _without_agent(one)
    await one.apply(Agent)
    await one.ready()
    operator.proxy.unheard = lambda line: organization.encode() in line
    await kube.delete(Agent, organization, "web")
    await _one_list_settles(operator, one, wanted)


async def _without_agent(one: Declared) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            outcome = await one.outcome()
            reasons = {
                name: body["status"]["conditions"][0]["reason"] for name, body in outcome.items() if "status" in body
            }
            if reasons == {
                "Organization organization": "Available",
                "AgentPool linux": "Available",
                f"Agent linux.{NODE}": "Connected",
                "Trigger deploy": "AgentNotFound",
                "ApiToken ci": "GrantNotFound",
                "EnrollmentToken web": "AgentNotFound",
                "SlackInstallation acme": "Connected",
            }:
                return outcome
            await asyncio.sleep(0.1)
