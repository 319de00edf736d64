"""The real operator as a process, with its own ServiceAccount and exactly the rights that it is granted."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite.local.accounts import Account
from deplite.local.ports import choose
from deplite.local.probe import ask_port
from tests.organizations import SYSTEM_NAMESPACE

PUBLIC_URL = "https://deplite.example"
LEASE_SECONDS = "10/8/0.5"
"""Enough for a machine that is busy elsewhere: an operator that cannot renew its lease in time ends."""


@dataclass
class Operator:
    """One operator process."""

    kubeconfig: Path
    folder: Path
    name: str = "operator"
    resync_seconds: float = 2
    port: int = 0
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def start(self) -> None:
        self.port = choose([self.name], {})[self.name]
        environment = os.environ | {
            "KUBECONFIG": str(self.kubeconfig),
            "DEPLITE_SYSTEM_NAMESPACE": SYSTEM_NAMESPACE,
            "DEPLITE_PUBLIC_URL": PUBLIC_URL,
            "DEPLITE_PROBE_LISTEN": f"127.0.0.1:{self.port}",
            "DEPLITE_LEASE_SECONDS": LEASE_SECONDS,
            "DEPLITE_RESYNC_SECONDS": str(self.resync_seconds),
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

    async def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return await self.wait()

    async def wait(self) -> int:
        assert self.process is not None
        return await asyncio.to_thread(self.process.wait, 60)


@pytest.fixture(scope="session")
def operator_kubeconfig(accounts: dict[str, Account]) -> Path:
    return accounts["operator"].kubeconfig


@pytest_asyncio.fixture(scope="package")
async def operator(operator_kubeconfig: Path, session_folder: Path) -> AsyncIterator[Operator]:
    """A running operator; at the end its log must tell of no bug and hold no credential."""
    operator = Operator(operator_kubeconfig, session_folder)
    operator.start()
    await operator.wait_ready()
    yield operator
    if operator.process is not None and operator.process.poll() is None:
        assert await operator.stop() == 0, operator.log.read_text()
    text = operator.log.read_text()
    assert "Traceback" not in text
    assert re.search(r"(tk|enr)_[0-9A-Za-z]{30}", text) is None


@pytest.fixture
def patient(kube: KubeClient) -> "Patient":
    return Patient(kube)


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
