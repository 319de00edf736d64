"""The operator dies after any of its writes, and ends where it would have ended (F22)."""

import asyncio
import itertools
import json
import secrets
from collections import defaultdict

from aiohttp import web

from deplite.kube.client import KubeClient
from tests.faults.httpproxy import Exchange
from tests.kube.operating.conftest import Operator
from tests.kube.operating.declared import Declared
from tests.organizations import create_organization, delete_namespace


class Deadly:
    """Kills the operator once its n-th write in a namespace has been made, before it hears of that."""

    def __init__(self, operator: Operator, namespace: str, turn: int) -> None:
        self._operator, self._namespace, self._turn = operator, namespace, turn
        self.written = 0
        self.killed = asyncio.Event()
        self._minted: dict[str, set[str]] = defaultdict(set)
        self._writes: list[asyncio.Task[web.StreamResponse]] = []

    async def __call__(self, exchange: Exchange) -> web.StreamResponse | None:
        if not exchange.writes or f"/{self._namespace}/" not in exchange.path:
            return None
        answering = asyncio.create_task(self._write(exchange))
        self._writes.append(answering)
        return await asyncio.shield(answering)  # what is on its way when the operator dies goes on

    async def _write(self, exchange: Exchange) -> web.StreamResponse:
        answer = await exchange.ask()
        if answer.status < 300 and "/secrets" in exchange.path:
            body = json.loads(exchange.body)
            self._minted[body["metadata"]["name"]].add(body["data"]["token"])
        self.written += 1
        if self.written != self._turn:
            return await exchange.say(answer)
        self._operator.kill()
        self.killed.set()
        return exchange.cut()

    async def minted(self) -> dict[str, int]:
        """Return how many credentials were ever written into each Secret."""
        await asyncio.gather(*self._writes)
        return {name: len(tokens) for name, tokens in self._minted.items()}


async def _over(one: Declared) -> None:
    """Wait until everything is as it shall be and was told of: nothing is left to write."""
    await one.ready()
    await one.told()


async def test_f22_killed_after_each_of_its_writes(kube: KubeClient, operator: Operator) -> None:
    wanted: object = None
    for turn in itertools.count(0):  # the first is a clean run
        one = Declared(kube=kube, namespace=f"org-{secrets.token_hex(5)}")
        deadly = Deadly(operator, one.namespace, turn)
        operator.proxy.fault = deadly
        await create_organization(kube, one.namespace)
        await one.apply_all()
        over = asyncio.create_task(_over(one))
        killing = asyncio.create_task(deadly.killed.wait())
        await asyncio.wait((over, killing), return_when=asyncio.FIRST_COMPLETED)
        killed = deadly.killed.is_set()
        if not killed:
            over.result()
        for task in (over, killing):
            task.cancel()
        if killed:
            await operator.start_again(kube)
        wanted = wanted or await one.ready()
        await one.settles(wanted)  # type: ignore[arg-type]
        assert await deadly.minted() == {"ci-token": 1, "web-code": 1}
        operator.proxy.heal()  # else the last, which killed nobody, would while the namespace empties
        await delete_namespace(kube, one.namespace)
        if turn and not killed:
            break  # it was done with fewer writes
    print(f"killed after each of {turn - 1} writes")
    assert (
        turn > 11
    )  # two Secrets, ServiceAccount and DaemonSet, and the status of seven objects, of the pool three times
