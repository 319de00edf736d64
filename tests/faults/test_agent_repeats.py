"""The same job is sent again and again: it starts once, and its agent says each time how far it is."""

import asyncio
import json
import secrets
import time
from collections.abc import Callable

from deplite.protocol.envelope import seal
from deplite.protocol.keys import load_private_key
from deplite.resources import DeployJob
from tests.faults.caller import Caller
from tests.faults.fleet import Fleet, FleetAgent
from tests.faults.ledger import Counters, Ledger
from tests.faults.site import Site

TIMES = 100
WAVE = 10
RUNNING = b'"status": "running"'
FAILED = b'"status": "failed"'


async def test_f10_one_start_however_often_it_is_sent(site: Site, fleet: Fleet, ledger: Ledger) -> None:
    agent = await fleet.add()
    caller = await Caller.for_agent(site, agent)
    ledger.open("print")
    await caller.run_many(20, gated=True)
    job = await caller.run(gated=True, code=9)
    await caller.in_flight(ledger, 21)
    deploy = await _deploys(site, agent, job)

    agent.proxy.listen_in()
    await _send(agent, [deploy()] * TIMES)  # the very same bytes: one that came before is not obeyed
    await _answered(agent, deploy, job)
    ledger.open("end")
    await caller.until(job, "failed")
    await _answered(agent, deploy, job)

    assert await caller.settle(ledger) == Counters()
    await agent.end()
    await agent.start()
    agent.proxy.listen_in()
    await _answered(agent, deploy, job)
    assert FAILED in agent.proxy.upwards
    assert RUNNING not in agent.proxy.upwards
    assert await caller.settle(ledger) == Counters()
    assert len(ledger.starts()) == 21
    await caller.close()


async def _answered(agent: FleetAgent, deploy: Callable[[], bytes], job: str) -> None:
    """Send the job again and again, signed anew; each time, the agent says how far it is."""
    said = f"POST /agent/jobs/{job}/result ".encode()
    for _ in range(TIMES // WAVE):
        before = agent.proxy.upwards.count(said)
        await _send(agent, [deploy() for _ in range(WAVE)])
        async with asyncio.timeout(60):
            while agent.proxy.upwards.count(said) < before + WAVE:
                await asyncio.sleep(0.05)


async def _deploys(site: Site, agent: FleetAgent, job_id: str) -> Callable[[], bytes]:
    """Return what makes events that the server itself could have sent."""
    async with site.kube() as kube:
        found = await kube.get(DeployJob, site.organization, job_id)
        secret = await kube.get_secret("deplite-system", "deplite-server-keys")
    key = load_private_key(secret.data[f"{secret.data['current'].decode()}.pem"])

    def deploy() -> bytes:
        payload = {"job_id": job_id, "job_uid": found.metadata.uid, "agent_id": agent.agent_id, "debug": False}
        payload |= {"workflow_name": found.spec.workflow, "ref": found.spec.ref, "params": dict(found.spec.params)}
        payload |= {"issued_at": int(time.time()), "nonce": secrets.token_hex(16), "force": False}
        return b"event: deploy\ndata: %s\n\n" % json.dumps(seal(key, payload)).encode()

    return deploy


async def _send(agent: FleetAgent, events: list[bytes]) -> None:
    for event in events:
        async with asyncio.timeout(60):
            while not agent.proxy.inject(event):
                await asyncio.sleep(0.1)  # it has no stream just now
        await asyncio.sleep(0)
