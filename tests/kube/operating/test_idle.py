"""Where nothing has changed nothing is written: not at a resync, not after a restart, and little is read."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator

import pytest_asyncio
from aiohttp import web

from deplite.kube.client import KubeClient
from tests.faults.httpproxy import Exchange
from tests.kube.operating.conftest import Operator
from tests.kube.operating.declared import KINDS, Declared
from tests.organizations import create_organization, delete_namespace

_SETS = 4
_ROUNDS = 3


class Record:
    """What the operator asks for."""

    def __init__(self) -> None:
        self.asked: Counter[tuple[str, str]] = Counter()
        self.written: list[str] = []

    async def __call__(self, exchange: Exchange) -> web.StreamResponse | None:
        if exchange.writes:
            self.written.append(exchange.path)
        else:
            self.asked["WATCH" if exchange.watches else exchange.method, exchange.path] += 1
        return None

    @property
    def rounds(self) -> int:
        """How often everything was listed; the last kind of a round tells."""
        return self.asked["GET", "/apis/deplite.io/v1alpha1/slackinstallations"]

    def reads_in(self, namespaces: set[str]) -> int:
        """Return how many objects of these namespaces were read one by one."""
        return sum(
            count
            for (method, path), count in self.asked.items()
            if method == "GET" and any(f"/namespaces/{name}/" in path for name in namespaces)
        )


@pytest_asyncio.fixture
async def settled(kube: KubeClient, operator: Operator) -> AsyncIterator[list[Declared]]:
    """Sets of objects that are all ready."""
    made = [Declared(kube=kube, namespace=f"org-{secrets.token_hex(5)}") for _ in range(_SETS)]
    for one in made:
        await create_organization(kube, one.namespace)
        await one.apply_all()
    await asyncio.gather(*(one.ready() for one in made))
    await asyncio.gather(*(one.told() for one in made))
    yield made
    for one in made:
        await delete_namespace(kube, one.namespace)


async def test_nothing_is_written_where_nothing_has_changed(
    kube: KubeClient, operator: Operator, settled: list[Declared]
) -> None:
    before = [await one.objects() for one in settled]
    namespaces = {one.namespace for one in settled}
    for restart in (False, True):
        record = Record()
        if restart:
            operator.kill()
        operator.proxy.fault = record
        if restart:
            await operator.start_again(kube)
        async with asyncio.timeout(120):
            while record.rounds < _ROUNDS:
                await asyncio.sleep(0.1)
        assert [path for path in record.written if any(name in path for name in namespaces)] == []
        # A token and a code are read anew with their Secret, a pool with its ConfigMap, ServiceAccount, DaemonSet and
        # pods, of Slack's installation only the Secret is looked at; one more round may have begun.
        assert 0 < record.reads_in(namespaces) <= (record.rounds + 1) * 10 * _SETS
        for kind in KINDS:
            assert record.asked["GET", f"/apis/deplite.io/v1alpha1/{kind.PLURAL}"] <= record.rounds + 2
        assert all(("GET", f"/api/v1/namespaces/{name}/secrets") not in record.asked for name in namespaces)
    assert [await one.objects() for one in settled] == before
