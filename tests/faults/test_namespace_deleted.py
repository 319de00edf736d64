"""An organization is deleted while its jobs run: it goes, whether the operator is there or not (F31)."""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from deplite.local import installation
from deplite.local.cluster import Cluster
from tests.faults.caller import Caller
from tests.faults.fleet import Fleet
from tests.faults.ledger import Ledger
from tests.faults.stage import Stage

_KUBECTL = Path(sys.executable).with_name("kubectl")
_GONE_SECONDS = 240


@pytest_asyncio.fixture
async def doomed(stage: Stage) -> Stage:
    """The stage with one more organization, which its apiserver knows."""
    name = f"org-doomed-{secrets.token_hex(3)}"
    cluster = await Cluster.connect(stage.kubeconfig)
    await installation.install_organization(cluster, name)
    await cluster.close()
    other = replace(stage, organization=name)
    async with other.owner() as client, asyncio.timeout(60):
        while (await client.get("/agents")).status_code != httpx.codes.OK:
            await asyncio.sleep(0.1)
    return other


@pytest_asyncio.fixture
async def operator_is(stage: Stage, request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Stops the operator for a test, if its parameter says `down`."""
    stopped = stage.signal("operator", signal.SIGSTOP) if request.param == "down" else None
    yield
    if stopped is not None:
        with suppress(ProcessLookupError):
            os.kill(stopped, signal.SIGCONT)


@pytest.mark.usefixtures("operator_is")
@pytest.mark.parametrize("operator_is", ["up", "down"], indirect=True)
async def test_f31_a_namespace_with_live_jobs_goes(doomed: Stage, tmp_path: Path, ledger: Ledger) -> None:
    crew = Fleet(doomed, tmp_path / "crew", ledger)
    caller = await Caller.for_agent(doomed, await crew.add())
    await caller.run_many(20, gated=True)
    await caller.in_flight(ledger, 20)
    assert all(ledger.living(job) for job in caller.acknowledged)
    process = await asyncio.create_subprocess_exec(
        _KUBECTL,
        *("--kubeconfig", doomed.kubeconfig, "delete", "namespace", doomed.organization),
        f"--timeout={_GONE_SECONDS}s",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    shown, _ = await process.communicate()
    assert process.returncode == 0, shown.decode()
    async with asyncio.timeout(120):
        while any(ledger.living(job) for job in caller.acknowledged):
            await asyncio.sleep(0.1)
    assert ledger.ends() == {}  # no step came to its own end
    assert ledger.starts() == dict.fromkeys(caller.acknowledged, 1)
    await crew.close()
