"""Two apiservers and their Valkey, each behind proxies of its own that write down what it writes."""

import asyncio
import contextlib
import os
import secrets
import signal
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from deplite.kube.client import KubeClient
from deplite.local import installation, parts
from deplite.local.cluster import Cluster
from deplite.local.controlplane import ControlPlane
from deplite.local.issuer import Issuer
from deplite.local.layout import Layout
from deplite.local.objectstore import ObjectStore
from deplite.local.ports import choose
from deplite.local.supervisor import Supervisor
from deplite.local.valkey import Valkey
from tests.faults.httpproxy import Exchange, HttpProxy
from tests.faults.stage import armed, kubeconfig_through

_READS = ("GET", "HEAD")


@dataclass(kw_only=True, eq=False)
class Twin:
    """One of them."""

    name: str
    layout: Layout
    failpoints: Path
    kube: HttpProxy
    s3: HttpProxy
    supervisor: Supervisor
    writes: list[str] = field(default_factory=list)
    """Method and path of each write that reached a proxy, in the order in which they came."""

    def log(self) -> str:
        """Return what it has logged."""
        path = self.layout.log(self.name)
        return path.read_text() if path.exists() else ""

    @property
    def pid(self) -> int:
        found = next(state.pid for state in self.supervisor.states() if state.name == self.name)
        assert found is not None
        return found

    def stop_at(self, place: str) -> None:
        """Have it stand still (SIGSTOP) when it next comes by a failpoint."""
        (self.failpoints / place).write_text("stop")

    def stands_at(self, place: str) -> bool:
        return (self.failpoints / f"{place}.hit").exists()

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    async def note(self, exchange: Exchange) -> web.StreamResponse | None:
        """Write down a write, and let it pass; a late renewal of a Lease is refused by its version."""
        if exchange.method not in _READS and "/leases/" not in exchange.path:
            self.writes.append(f"{exchange.method} {exchange.request.raw_path}")
        return None


@dataclass(frozen=True, kw_only=True)
class Twins:
    """Both, and what they share."""

    organization: str
    one: Twin
    two: Twin
    kubeconfig: Path
    supervisor: Supervisor

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, folder: Path, plane: ControlPlane, store: ObjectStore) -> AsyncIterator["Twins"]:
        """Start them in a folder, and stop them in the end."""
        organization = f"org-twins-{secrets.token_hex(3)}"
        cluster = await Cluster.connect(plane.kubeconfig)
        await installation.install(cluster)
        await installation.install_organization(cluster, organization)
        supervisor = Supervisor(lambda _: None, lambda: None)
        ports = choose(["apiserver", "apiserver-1", "apiserver-2", "valkey"], {})
        valkey = Valkey(folder / "valkey", ports["valkey"], folder / "valkey.log")
        valkey.prepare()
        await supervisor.start(valkey.program())
        issuers = Issuer.open(Layout.at(folder / "issuer").make().issuer).issuers_file
        twins = []
        for number in (1, 2):
            replica = parts.Replica(number, ports[f"apiserver-{number}"], valkey.url, valkey.password_file)
            twin = await _prepared(folder / replica.name, replica, plane, store, supervisor)
            config = await kubeconfig_through(cluster, twin.layout, "apiserver", twin.kube.url)
            storage = parts.Storage(
                twin.s3.url, store.bucket, store.region, store.access_key_file, store.secret_key_file
            )
            program = parts.apiserver(twin.layout, ports["apiserver"], config, issuers, storage, replica)
            await supervisor.start(armed(program, twin.failpoints))
            twins.append(twin)
        await cluster.close()
        one, two = twins
        try:
            yield cls(organization=organization, one=one, two=two, kubeconfig=plane.kubeconfig, supervisor=supervisor)
        finally:
            for twin in twins:
                twin.go_on()
            await supervisor.stop((), lambda _: contextlib.nullcontext())
            for proxy in (one.kube, one.s3, two.kube, two.s3):
                await proxy.stop()

    async def holder(self) -> tuple[Twin, Twin]:
        """Return the one that holds the sweeper's Lease, and the other one; at first there is none."""
        async with asyncio.timeout(60):
            while True:
                for one, other in ((self.one, self.two), (self.two, self.one)):
                    if "holds the lease" in one.log():
                        return one, other
                await asyncio.sleep(0.1)

    @contextlib.asynccontextmanager
    async def cluster(self) -> AsyncIterator[KubeClient]:
        """Open the Kubernetes API with all rights."""
        client = await KubeClient.connect(self.kubeconfig)
        try:
            yield client
        finally:
            await client.close()


async def _prepared(
    folder: Path, replica: parts.Replica, plane: ControlPlane, store: ObjectStore, supervisor: Supervisor
) -> Twin:
    """Return a twin whose proxies run and whose process does not."""
    tls = ssl.create_default_context(cafile=str(plane.credentials.authority))
    made = Twin(
        name=replica.name,
        layout=Layout.at(folder).make(),
        failpoints=folder / "failpoints",
        kube=HttpProxy(plane.url, tls),
        s3=HttpProxy(store.endpoint),
        supervisor=supervisor,
    )
    made.failpoints.mkdir()
    for proxy in (made.kube, made.s3):
        proxy.fault = made.note
        await proxy.start()
    return made
