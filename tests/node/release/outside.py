"""Those outside of the cluster: agents, careful callers, and callers who try nothing twice."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from deplite.kube.client import KubeClient
from tests.faults.caller import Caller
from tests.faults.fleet import Fleet
from tests.faults.ledger import Counters, Ledger
from tests.faults.site import Site
from tests.kube.serving import PATIENCE, until
from tests.node.release.installed import Installed

LASTING, FRESH, FIRING = 12, 4, 2
"""Callers with one connection each, callers with a new one for each call, and callers who start runs."""
READING = LASTING + FRESH
PAUSE_SECONDS, FIRE_SECONDS = 0.05, 0.3
STOOD_STILL_SECONDS = 2.4
"""A replica that says 503 so late has waited for the cluster all the time: this machine stood still."""
MORE = 5
"""Calls of each caller before a disturbance, and again after it."""


@dataclass(frozen=True, kw_only=True)
class ServedSite(Site):
    """One organization of the installed release, for the agents and callers of the fault tests."""

    installed: Installed

    @classmethod
    async def of(cls, installed: Installed, organization: str, folder: Path) -> "ServedSite":
        """Return an organization, with a fresh token of its owner."""
        return cls(
            data=folder,
            failpoints=folder / "failpoints",
            url=installed.url,
            organization=organization,
            jwt=await installed.token(),
            kubeconfig=installed.node.kubeconfig,
            installed=installed,
        )

    @asynccontextmanager
    async def kube(self) -> AsyncIterator[KubeClient]:
        """Open the Kubernetes API with all rights."""
        yield self.installed.kube


@dataclass(kw_only=True, eq=False)
class Traffic:
    """Callers who try nothing twice: each answer that is none, or says 5xx, is a failed call."""

    caller: Caller
    calls: list[int] = field(default_factory=lambda: [0] * (READING + FIRING))
    """How many each caller has made."""
    failed: list[str] = field(default_factory=list)
    late: int = 0
    """Calls that met a machine that stood still."""

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """They call all the time, until the block ends."""
        tasks = [asyncio.create_task(self._read(number)) for number in range(READING)]
        tasks += [asyncio.create_task(self._fire(READING + number)) for number in range(FIRING)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in ended), ended

    async def goes_on(self) -> None:
        """Wait until each caller has made some more."""
        before = list(self.calls)

        async def enough() -> bool:
            return min(self.since(before)) >= MORE

        await until(enough, True)

    def since(self, before: Sequence[int]) -> list[int]:
        """Return how many calls each caller has made since it had made so many."""
        return [now - then for now, then in zip(self.calls, before, strict=True)]

    async def _read(self, number: int) -> None:
        path = f"/orgs/{self.caller.site.organization}/agents"
        headers = {"Authorization": f"Bearer {self.caller.site.jwt}"}
        async with self._client(headers | ({} if number < LASTING else {"Connection": "close"})) as client:
            while True:
                await self._call(number, client, "GET", path)
                await asyncio.sleep(PAUSE_SECONDS)

    async def _fire(self, number: int) -> None:
        path, params = f"/triggers/{self.caller.trigger}/run", {"lines": 3, "pause": "0.02"}
        async with self._client(dict(self.caller.http.headers)) as client:
            while True:
                body = {"ref": "main", "params": params}
                if (answer := await self._call(number, client, "POST", path, json=body)) is not None:
                    self.caller.acknowledged[answer.json()["jobId"]] = params
                await asyncio.sleep(FIRE_SECONDS + number / 100)

    def _client(self, headers: dict[str, str]) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.caller.site.url, headers=headers, timeout=PATIENCE, trust_env=False)

    async def _call(
        self, number: int, client: httpx.AsyncClient, method: str, path: str, **more: Any
    ) -> httpx.Response | None:
        self.calls[number] += 1
        try:
            answer = await client.request(method, path, **more)
        except httpx.TransportError as error:
            self.failed.append(f"{method} {path}: {error!r}")
            return None
        if answer.status_code == 503 and answer.elapsed.total_seconds() >= STOOD_STILL_SECONDS:
            self.late += 1
            return None
        if not answer.is_success:
            self.failed.append(f"{method} {path}: {answer.status_code} {answer.text}")
            return None
        return answer


@asynccontextmanager
async def busy(site: ServedSite, fleet: Fleet, ledger: Ledger) -> AsyncIterator[None]:
    """Deploys under way and calls all the time; in the end none was lost and none failed, and all is true."""
    caller = await Caller.for_agent(site, await fleet.add())
    await caller.run_many(3, gated=True)
    await caller.in_flight(ledger, 3)
    traffic = Traffic(caller=caller)
    async with traffic.flowing():
        await traffic.goes_on()
        before = list(traffic.calls)
        yield
        during = traffic.since(before)
        await traffic.goes_on()  # for what comes only after the last pod has gone
    ledger.open("print")
    ledger.open("end")
    found = await caller.settle(ledger)
    print(f"{sum(traffic.calls)} calls, {len(traffic.failed)} failed, {traffic.late} late; ", end="")
    print(f"{len(caller.acknowledged)} runs")
    assert not traffic.failed, "\n".join(traffic.failed)
    assert traffic.late * 100 <= sum(traffic.calls), "no machine stands still that often"
    assert min(during) > 0, during
    assert found == Counters(), found.details
