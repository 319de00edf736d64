"""The real operator as a process, with its own ServiceAccount and exactly the rights that it is granted.

Its way to the Kubernetes API leads through a proxy of ours, where what it asks is counted and faults happen.
"""

import asyncio
import json
import os
import re
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite.kube.errors import NotFoundError
from deplite.local.accounts import Account, kubeconfig
from deplite.local.controlplane import ControlPlane
from deplite.local.ports import choose
from deplite.local.probe import ask_port
from deplite.resources import Agent, ApiToken
from deplite.resources.apitoken import ApiTokenSpec, Grant
from deplite.resources.resource import Meta
from tests.faults.httpproxy import HttpProxy
from tests.kube.operating.nodes import Nodes, nodes_of
from tests.kube.operating.pools import Looks, Pool
from tests.organizations import SYSTEM_NAMESPACE

LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{SYSTEM_NAMESPACE}/leases/deplite-operator"
PUBLIC_URL = "https://deplite.example"
PODS = {"DEPLITE_AGENT_IMAGE": "deplite/agent:1", "DEPLITE_AGENT_URL": "http://deplite-apiserver.deplite-system.svc"}
LEASE_SECONDS = "10/8/0.5"
"""Enough for a machine that is busy elsewhere: an operator that cannot renew its lease in time ends."""


@dataclass
class Operator:
    """One operator process."""

    account: Account
    plane: ControlPlane
    folder: Path
    name: str = "operator"
    resync_seconds: float = 2
    pods: Mapping[str, str] = field(default_factory=lambda: PODS)
    """What it is told of the pods of pools."""
    lease: str = LEASE_SECONDS
    port: int = 0
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)
    proxy: HttpProxy = field(init=False)

    def __post_init__(self) -> None:
        authority = ssl.create_default_context(cafile=str(self.plane.credentials.authority))
        self.proxy = HttpProxy(self.plane.url, authority)

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def failpoints(self) -> Path:
        """Where its failpoints are armed."""
        return self.folder / f"{self.name}-failpoints"

    async def start(self) -> None:
        if self.proxy.port == 0:
            await self.proxy.start()
            self.failpoints.mkdir()
        aim = self.folder / f"{self.name}.kubeconfig"
        aim.write_text(json.dumps(kubeconfig({"server": self.proxy.url}, self.name, self.account.token_file)))
        self._launch(aim)

    def _launch(self, aim: Path) -> None:
        self.port = choose([self.name], {})[self.name]
        environment = os.environ | {
            "KUBECONFIG": str(aim),
            "DEPLITE_SYSTEM_NAMESPACE": SYSTEM_NAMESPACE,
            "DEPLITE_PUBLIC_URL": PUBLIC_URL,
            "DEPLITE_PROBE_LISTEN": f"127.0.0.1:{self.port}",
            "DEPLITE_LEASE_SECONDS": self.lease,
            "DEPLITE_FAILPOINTS": str(self.failpoints),
            "DEPLITE_RESYNC_SECONDS": str(self.resync_seconds),
            **self.pods,
        }
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "deplite_operator.main"]
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    async def wait_ready(self, path: str = "/readyz") -> None:
        async with asyncio.timeout(60):
            while (await ask_port(self.port, path)).status != 200:
                await asyncio.sleep(0.05)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    async def start_again(self, kube: KubeClient, *, wait: bool = True) -> None:
        """Start what was killed; nobody has to wait until its Lease has ended."""
        with suppress(NotFoundError):
            await kube.connection.request("DELETE", LEASE)
        await self.start()
        if wait:
            await self.wait_ready()

    async def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return await self.wait()

    async def wait(self) -> int:
        assert self.process is not None
        return await asyncio.to_thread(self.process.wait, 60)


MakeOperator = Callable[[str], Operator]
Start = Callable[..., Awaitable[Operator]]


@pytest_asyncio.fixture(scope="session")
async def make_operator(
    accounts: dict[str, Account], control_plane: ControlPlane, session_folder: Path
) -> AsyncIterator[MakeOperator]:
    """Makes operators by name, all of one account; none is started yet."""
    made: list[Operator] = []

    def make(name: str) -> Operator:
        made.append(Operator(accounts["operator"], control_plane, session_folder, name))
        return made[-1]

    yield make
    for one in made:
        if one.proxy.port:
            await one.proxy.stop()


@pytest_asyncio.fixture(scope="package")
async def nodes(kube: KubeClient, control_plane: ControlPlane) -> AsyncIterator[Nodes]:
    """The nodes of the cluster."""
    async with nodes_of(kube, control_plane) as found:
        yield found


@pytest_asyncio.fixture(scope="package")
async def running(make_operator: MakeOperator, nodes: Nodes) -> AsyncIterator[Operator]:
    """A running operator; at the end its log must tell of no bug and hold no credential."""
    operator = make_operator("operator")
    await operator.start()
    await operator.wait_ready()
    yield operator
    if operator.process is not None and operator.process.poll() is None:
        assert await operator.stop() == 0, operator.log.read_text()
    text = operator.log.read_text()
    assert "Traceback" not in text
    assert re.search(r"(tk|enr)_[0-9A-Za-z]{30}", text) is None


@pytest.fixture
def operator(running: Operator) -> Iterator[Operator]:
    """The running operator, without any fault before and after."""
    yield running
    running.proxy.heal()


@pytest_asyncio.fixture
async def start(running: Operator, make_operator: MakeOperator, kube: KubeClient) -> AsyncIterator[Start]:
    """Starts more operators; the shared one is stopped meanwhile."""
    await running.stop()
    others: list[Operator] = []

    async def started(
        name: str, resync_seconds: float = 2, pods: Mapping[str, str] = PODS, lease: str = LEASE_SECONDS
    ) -> Operator:
        other = make_operator(name)
        other.resync_seconds, other.pods, other.lease = resync_seconds, pods, lease
        await other.start()
        others.append(other)
        return other

    yield started
    for other in others:  # those that wait first, and nobody leaves a lease that has to be waited for
        if other.process is not None and other.process.poll() is None:
            other.process.send_signal(signal.SIGCONT)
            await other.stop()
    await running.start_again(kube)


@pytest_asyncio.fixture
async def web(kube: KubeClient, organization: str) -> None:
    """The Agent that the grants of `token` name."""
    await kube.create(Agent(metadata=Meta(namespace=organization, name="web")))


@pytest.fixture
def patient(kube: KubeClient) -> "Patient":
    return Patient(kube)


@pytest.fixture
def pool(kube: KubeClient, organization: str, patient: "Patient", operator: Operator) -> Pool:
    """The pool of the test, with nothing declared yet."""
    return Pool(kube, organization, patient)


@pytest.fixture
def looks(pool: Pool, operator: Operator) -> Looks:
    """Counts the operator's looks at the pool from the beginning of the test."""
    operator.proxy.fault = found = Looks(pool)
    return found


@dataclass(frozen=True)
class Patient:
    """Waits until an object's condition has a reason."""

    kube: KubeClient

    async def condition(self, kind, namespace, name, reason, type_="Ready", seconds=60):  # type: ignore[no-untyped-def]
        last = None
        deadline = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < deadline:
            found = await self.kube.get(kind, namespace, name)
            last = found.status.condition(type_)
            if last is not None and last.reason == reason:
                return found
            await asyncio.sleep(0.05)
        raise AssertionError(f"{kind.KIND} {name}: {type_} is {last}, not {reason}")


def token(namespace: str, name: str = "ci", secret: str | None = "ci-token", **spec: object) -> ApiToken:
    """Return a token with a grant of the Agent `web`."""
    values = {"grants": (Grant(type="agent", agents=("web",)),), "secret_name": secret} | spec
    return ApiToken(metadata=Meta(namespace=namespace, name=name), spec=ApiTokenSpec.model_validate(values))
