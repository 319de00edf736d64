"""An agent that was deleted or revoked while its code has uses left: a person takes it back, and not the machine."""

import asyncio

from deplite.resources import Agent
from tests.faults.caller import Caller
from tests.faults.fleet import Fleet
from tests.faults.ledger import Counters, Ledger
from tests.faults.site import Site
from tests.kube.jobs.conftest import agent_name

SPENT = r"the code of DEPLITE_TOKEN_FILE before, .* ask an owner for a new one"


async def code(site: Site) -> str:
    """Return a new code that many machines may use."""
    minted: str = (await site.ask("POST", "/agents/enroll-tokens", {"label": "many", "uses": 50}))["token"]
    return minted


async def known(site: Site) -> set[str]:
    """Return the ids of the agents that may connect."""
    return {agent for agent, state in (await site.states()).items() if state != "revoked"}


async def delete(site: Site, agent_id: str) -> None:
    """Delete an agent's object."""
    async with site.kube() as kube:
        name = await agent_name(kube, site.organization, agent_id)
        await kube.delete(Agent, site.organization, name)


async def test_neither_comes_back_before_there_is_a_new_code(site: Site, fleet: Fleet, ledger: Ledger) -> None:
    agent = await fleet.make({})
    file = agent.folder / "code"
    file.write_text(await code(site))
    agent.environment["DEPLITE_TOKEN_FILE"] = str(file)
    await agent.start()
    first = agent.agent_id

    await delete(site, first)
    await agent.says(SPENT)
    assert agent.running
    assert first not in await known(site)
    offset = agent.log.stat().st_size
    file.write_text(await code(site))
    second = await agent.says(r"^Enrolled as agent (ag-[a-z2-7]+)$", offset)
    assert second != first

    await site.ask("DELETE", f"{site.url}/agents/{second}")
    assert agent.process is not None
    async with asyncio.timeout(120):
        assert await agent.process.wait() == 3
    for name in ("identity.json", "key.pem"):  # as it was told by the stream, or tells whoever reads its log to do
        (agent.state_folder / name).unlink(missing_ok=True)
    before = await known(site)
    offset = agent.log.stat().st_size
    await agent.launch()
    async with asyncio.timeout(120):
        assert await agent.process.wait() == 78
    await agent.says(SPENT, offset)
    assert await known(site) == before

    file.write_text(await code(site))
    await agent.start()
    caller = await Caller.for_agent(site, agent)
    await caller.run_many(3, lines=3)
    assert await caller.settle(ledger) == Counters()
    await caller.close()
