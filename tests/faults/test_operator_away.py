"""The operator is away, or dies after any of its writes: no run needs it, and it ends where it would have ended."""

import asyncio
import itertools
import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web

from deplite.kube.client import KubeClient
from deplite.kube.errors import NotFoundError
from deplite.resources import Agent, ApiToken, EnrollmentToken, Trigger
from deplite.resources.credentials import describe
from deplite.resources.identifiers import object_id
from tests.faults.caller import Caller
from tests.faults.fleet import Fleet
from tests.faults.httpproxy import Exchange
from tests.faults.ledger import Counters, Ledger
from tests.faults.site import Site
from tests.faults.stage import Stage

_LEASE = "/apis/coordination.k8s.io/v1/namespaces/deplite-system/leases/deplite-operator"


@pytest.mark.parametrize(
    ("runs", "seconds"),
    [(30, 1), pytest.param(100, 600, marks=(pytest.mark.full, pytest.mark.timeout(1200)))],
)
async def test_f21_nobody_waits_for_the_operator(
    runs: int, seconds: float, site: Site, fleet: Fleet, ledger: Ledger
) -> None:
    caller = await Caller.for_agent(site, await fleet.add())
    stopped = site.signal("operator", signal.SIGSTOP)
    try:
        await caller.run_many(runs, gated=True)
        await caller.in_flight(ledger, 20)
        ledger.open("print")
        ledger.open("end")
        assert await caller.settle(ledger) == Counters()
        await asyncio.sleep(seconds)
        async with site.kube() as kube:
            found = await kube.list(Trigger, site.organization)
            name = next(one.name for one in found if object_id("tr", *one.key) == caller.trigger)
            await kube.delete(Trigger, site.organization, name)
            async with asyncio.timeout(60):
                while name in {one.name for one in await kube.list(Trigger, site.organization)}:
                    await asyncio.sleep(0.1)
    finally:
        with suppress(ProcessLookupError):
            os.kill(stopped, signal.SIGCONT)


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What somebody declares in Git, and what the operator makes of it."""

    kube: KubeClient
    namespace: str
    name: str

    async def apply(self) -> None:
        metadata = {"name": self.name, "namespace": self.namespace}
        await self.kube.create(Agent.model_validate({"metadata": metadata}))
        made: list[Any] = [
            Trigger.model_validate({"metadata": metadata, "spec": {"agent": self.name, "workflow": "ledger"}}),
            ApiToken.model_validate(
                {
                    "metadata": metadata,
                    "spec": {
                        "grants": [{"type": "agent", "agents": [self.name]}],
                        "secretName": f"{self.name}-token",
                    },
                }
            ),
            EnrollmentToken.model_validate(
                {"metadata": metadata, "spec": {"label": self.name, "secretName": f"{self.name}-code"}}
            ),
        ]
        await asyncio.gather(*(self.kube.create(one) for one in made))

    async def outcome(self) -> dict[str, Any]:
        """Return all that the operator is to have settled; names and secrets taken out."""
        found: dict[str, Any] = {}
        for kind in (Trigger, ApiToken, EnrollmentToken):
            one = await self.kube.get(kind, self.namespace, self.name)
            found[kind.KIND] = sorted((each.type, each.status, each.reason) for each in one.status.conditions)
        token = await self.kube.get(ApiToken, self.namespace, self.name)
        code = await self.kube.get(EnrollmentToken, self.namespace, self.name)
        with suppress(NotFoundError):
            plain = (await self.kube.get_secret(self.namespace, f"{self.name}-token")).data["token"].decode()
            found["token in Secret"] = [one.sha256 for one in token.status.hashes] == [describe(plain).sha256]
        with suppress(NotFoundError):
            plain = (await self.kube.get_secret(self.namespace, f"{self.name}-code")).data["token"].decode()
            found["code in Secret"] = code.status.hash == describe(plain).sha256
        path = f"/api/v1/namespaces/{self.namespace}/secrets"
        names = [one["metadata"]["name"] for one in (await self.kube.connection.request("GET", path))["items"]]
        found["secrets"] = sorted(name.removeprefix(self.name) for name in names if name.startswith(f"{self.name}-"))
        return found

    async def settled(self, wanted: dict[str, Any], seconds: float = 120) -> None:
        """Wait until it is as it should be."""
        last: dict[str, Any] = {}
        try:
            async with asyncio.timeout(seconds):
                while (last := await self.outcome()) != wanted:
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"{last} instead of {wanted}") from None


async def test_f22_killed_after_each_of_its_writes(stage: Stage, kube: KubeClient) -> None:
    proxy = stage.kube_of["operator"]
    written = 0
    deadly = 0

    async def count(exchange: Exchange) -> web.StreamResponse | None:
        nonlocal written
        if not exchange.writes:
            return None
        written += 1
        if written != deadly:
            return None
        await exchange.ask()
        stage.kill_now("operator")
        return exchange.cut()

    proxy.fault = count
    clean = Declared(kube=kube, namespace=stage.organization, name="clean")
    await clean.apply()
    async with asyncio.timeout(60):
        while not {"token in Secret", "code in Secret"} <= (await clean.outcome()).keys():
            await asyncio.sleep(0.1)
    last = -1
    while last != written:
        last = written
        await asyncio.sleep(5)
    wanted = await clean.outcome()
    print(f"a clean run writes {written} times: {wanted}")
    assert wanted["token in Secret"]
    assert wanted["code in Secret"]
    for turn in itertools.count(1):
        written, deadly = 0, turn
        before = stage.restarts("operator")
        one = Declared(kube=kube, namespace=stage.organization, name=f"turn-{turn}")
        await one.apply()
        if not await _killed(stage, before, one, wanted):
            break  # it was done with fewer writes: how many there are depends on what it sees first
        with suppress(NotFoundError):  # nobody has to wait until the Lease of the killed one has ended
            await kube.connection.request("DELETE", _LEASE)
        await one.settled(wanted)
    assert turn > 5
    await clean.settled(wanted)


async def _killed(stage: Stage, before: int, one: Declared, wanted: dict[str, Any]) -> bool:
    """Wait until the operator was started again, or is done without."""
    async with asyncio.timeout(120):
        while stage.restarts("operator") == before:
            if await one.outcome() == wanted:
                await asyncio.sleep(5)
                return stage.restarts("operator") != before
            await asyncio.sleep(0.05)
    return True
