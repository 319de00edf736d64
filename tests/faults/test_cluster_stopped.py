"""etcd or the kube-apiserver stands still: callers are told so at once, jobs go on, nobody is marked lost."""

import asyncio
import signal
import time
from contextlib import suppress

import httpx
import pytest

from tests.faults.caller import Caller
from tests.faults.fleet import Fleet
from tests.faults.ledger import Counters, Ledger
from tests.faults.site import LOST_SECONDS, Site
from tests.kube.serving import until

PATIENCE = 60.0
"""Seconds after which a caller gives up; it is told after three, and a busy machine may take longer."""


async def _told(caller: Caller) -> float:
    """Fire once, be told that this is not possible now; return the seconds that took."""
    began = time.monotonic()
    async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False, headers=caller.http.headers) as http:
        path = f"{caller.site.url}/triggers/{caller.trigger}/run"
        answer = await http.post(path, json={"ref": "main"}, headers={"Idempotency-Key": "while-away"})
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) == answer.json()["retryAfter"] >= 1
    return time.monotonic() - began


async def _unready(site: Site) -> None:
    async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as http, asyncio.timeout(90):
        while (await http.get(f"{site.url}/readyz")).status_code != 503:
            await asyncio.sleep(0.2)
        assert (await http.get(f"{site.url}/livez")).status_code == 200


async def _stopped(part: str, seconds: float, site: Site, fleet: Fleet, ledger: Ledger) -> None:
    """Stop a part for so long, with an agent that is silent for just as long and comes back only after it."""
    present, absent = await fleet.add(), await fleet.add()
    callers = [await Caller.for_agent(site, agent) for agent in (present, absent)]
    ledger.open("print")
    for caller in callers:
        await caller.run_many(12, lines=int(seconds), pause="1", gated=True)
        await caller.in_flight(ledger, 12)
    await absent.proxy.refuse()
    began = time.monotonic()
    site.signal(part, signal.SIGSTOP)
    try:
        await asyncio.sleep(1)
        print("told after", await _told(callers[0]))
        await _unready(site)
        short = len(ledger.ends())
        await asyncio.sleep(max(0.0, seconds - (time.monotonic() - began)))
        print("told after", await _told(callers[0]))
        assert len(ledger.ends()) == short == 0
    finally:
        with suppress(ProcessLookupError):
            site.signal(part, signal.SIGCONT)
    await site.ready()
    await asyncio.sleep(4)  # two sweeps: none of them may count the time when nobody was heard
    await absent.proxy.accept()
    ledger.open("end")
    for caller in callers:
        await caller.run_many(2, lines=2)
        assert await caller.settle(ledger, seconds=180) == Counters()

    async def connected() -> bool:
        states = await site.states()
        return states[present.agent_id] == states[absent.agent_id] == "connected"

    await until(connected, True)


async def test_f29_etcd_stands_still_for_longer_than_an_agent_may_be_silent(
    site: Site, fleet: Fleet, ledger: Ledger
) -> None:
    await _stopped("etcd", LOST_SECONDS + 5, site, fleet, ledger)


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", ["etcd", "kube-apiserver"])
async def test_f29_stands_still_for_two_minutes(part: str, site: Site, fleet: Fleet, ledger: Ledger) -> None:
    await _stopped(part, 120, site, fleet, ledger)
