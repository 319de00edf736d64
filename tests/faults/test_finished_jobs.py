"""What has ended: its log is merged whatever dies meanwhile, and thousands of it weigh little."""

import asyncio
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deplite.kube.client import KubeClient
from deplite.resources import Agent, DeployJob
from deplite.resources.identifiers import random_job_id
from tests.faults.caller import Caller
from tests.faults.fleet import Fleet
from tests.faults.ledger import Counters, Ledger
from tests.faults.site import Site

JOBS, AGENTS = 10_000, 1000
MAX_JOB_BYTES = 32 * 1024


@pytest.mark.full
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("place", ["apiserver.logs.merged", "apiserver.logs.discarding"])
async def test_f19_killed_while_a_log_is_merged(place: str, site: Site, fleet: Fleet, ledger: Ledger) -> None:
    caller = await Caller.for_agent(site, await fleet.add())
    await caller.run_many(25, lines=30, pause="0.1")
    await caller.in_flight(ledger, 20)
    site.arm(place)
    before = {job: await _whole(caller, ledger, job) for job in caller.acknowledged}
    await site.hit(place, seconds=600)
    await caller.run_many(5, lines=3)
    await asyncio.sleep(180)  # the merge again, a minute, and the parts are deleted
    assert await caller.settle(ledger) == Counters()
    assert {job: await caller.raw(job) for job in before} == before
    await caller.close()


async def _whole(caller: Caller, ledger: Ledger, job: str) -> list[str]:
    await caller.until(job, "success")
    async with asyncio.timeout(60):
        while len(lines := await caller.raw(job)) < 30:
            await asyncio.sleep(0.2)
    return lines


@pytest.mark.full
@pytest.mark.timeout(1800)
async def test_f32_ten_thousand_finished_jobs_and_a_thousand_agents(session_folder: Path, ledger: Ledger) -> None:
    site = await Site.start(session_folder / "many")
    fleet = Fleet(site, session_folder / "many-fleet", ledger)
    try:
        async with site.kube() as kube:
            await _fill(kube, site.organization)
        await site.kill("apiserver")
        began = time.monotonic()
        await site.ready()
        print(f"ready again {time.monotonic() - began:.1f} s after the start")
        caller = await Caller.for_agent(site, await fleet.add())
        took = []
        for _ in range(20):
            began = time.monotonic()
            page = await site.ask("GET", "/agents?limit=200")
            took.append(time.monotonic() - began)
            assert len(page) == 200
        await caller.run_many(30, lines=20, pause="0.1")
        await caller.in_flight(ledger, 20)
        assert await caller.settle(ledger) == Counters()
        print(f"a page of agents: p50 {sorted(took)[10] * 1000:.0f} ms, worst {max(took) * 1000:.0f} ms")
        for part in ("apiserver", "operator", "kube-apiserver", "etcd"):
            print(f"{part}: {_resident(site.pid(part)):.0f} MB resident")
        store = site.data / "controlplane" / "etcd" / "member" / "snap" / "db"
        print(f"etcd's file: {store.stat().st_size / 1e6:.0f} MB")
        async with site.kube() as kube:
            largest = max([len(json.dumps(item)) async for page in kube.pages(DeployJob) for item in page.items])
        assert largest <= MAX_JOB_BYTES
    finally:
        await fleet.close()
        await site.stop()


async def _fill(kube: KubeClient, namespace: str) -> None:
    room = asyncio.Semaphore(16)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    ended = {"phase": "Succeeded", "exitCode": 0, "startedAt": now, "finishedAt": now}

    async def job() -> None:
        async with room:
            metadata = {"name": random_job_id(), "namespace": namespace}
            spec = {"agent": "none", "workflow": "ledger", "params": {"text": "x" * 500}}
            spec["requestedBy"] = {"kind": "token", "id": "ci", "name": "ci"}
            made = await kube.create(DeployJob.model_validate({"metadata": metadata, "spec": spec}))
            await kube.patch_status(DeployJob, namespace, made.name, ended)

    async def agent(number: int) -> None:
        async with room:
            await kube.create(Agent.model_validate({"metadata": {"name": f"a{number}", "namespace": namespace}}))

    await asyncio.gather(*(agent(number) for number in range(AGENTS)))
    await asyncio.gather(*(job() for _ in range(JOBS)))


def _resident(pid: int | None) -> float:
    """Return a process's resident memory in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1000
