"""Clocks that are wrong, and clocks that jump: neither costs a job or makes an agent seem lost."""

from pathlib import Path

import pytest

from tests.faults.caller import Caller
from tests.faults.fleet import Fleet
from tests.faults.ledger import Counters, Ledger
from tests.faults.site import Site
from tests.kube.serving import until


@pytest.mark.parametrize("wrong", [-600, pytest.param(600, marks=pytest.mark.full)])
async def test_f33_an_agent_whose_clock_is_wrong_and_then_jumps(
    wrong: int, site: Site, fleet: Fleet, ledger: Ledger, tmp_path: Path
) -> None:
    folder = tmp_path / "clock"
    folder.mkdir()
    clock = folder / "agent.clock"
    clock.write_text(str(wrong))
    agent = await fleet.add(DEPLITE_FAILPOINTS=str(folder))
    caller = await Caller.for_agent(site, agent)
    ledger.open("print")
    await caller.run_many(20, gated=True)
    await caller.in_flight(ledger, 20)
    clock.write_text(str(-wrong))
    await caller.run_many(10, lines=5)
    ledger.open("end")
    assert await caller.settle(ledger) == Counters()
    assert len(ledger.starts()) == 30
    await caller.run_many(5, lines=5)
    assert await caller.settle(ledger) == Counters()
    await caller.close()


async def test_f33_the_server_goes_back_five_minutes(site: Site, fleet: Fleet, ledger: Ledger) -> None:
    agent = await fleet.add()
    caller = await Caller.for_agent(site, agent)
    ledger.open("print")
    await caller.run_many(20, gated=True)
    await caller.in_flight(ledger, 20)
    clock = site.failpoints / "apiserver.clock"
    try:
        clock.write_text("-301")
        await caller.run_many(5, lines=5)
        ledger.open("end")
        assert await caller.settle(ledger) == Counters()

        async def state() -> str:
            return (await site.states())[agent.agent_id]

        await until(state, "connected")
    finally:
        clock.unlink()
    await caller.run_many(5, lines=5)
    assert await caller.settle(ledger) == Counters()
    await caller.close()
