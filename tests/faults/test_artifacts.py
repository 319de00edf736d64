"""Artifacts while the agent dies or the store is away: the true result, and each file once."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.faults.caller import Caller
from tests.faults.fleet import Fleet, FleetAgent
from tests.faults.httpproxy import Answer, Exchange
from tests.faults.ledger import Counters, Ledger
from tests.faults.site import Site
from tests.faults.stage import Stage
from tests.kube.serving import until

NAMES = ["out/a.bin", "out/b.txt", "out/c.html"]


async def _with_artifacts(fleet: Fleet, folder: Path) -> FleetAgent:
    """An agent each of whose jobs uploads the same three files."""
    for name in NAMES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name * 1000)
    agent = await fleet.make({})
    workflow = f"{fleet.ledger.workflow()}\nworking-directory: {folder}\nartifacts: ['out/*']\n"
    (agent.folder / "workflows" / "ledger.yaml").write_text(workflow)
    await agent.start(await fleet.code())
    return agent


async def _stored(caller: Caller, job: str) -> list[str]:
    detail = await caller.job(job)
    assert detail is not None
    return sorted(entry["filename"] for entry in detail.get("files") or () if entry["status"] == "stored")


async def _said(caller: Caller, job: str) -> str:
    return " ".join(item["content"] for item in await caller.items(job) if item["stream"] == "system")


@pytest.mark.parametrize(
    "place", [pytest.param("agent.artifacts.found", marks=pytest.mark.full), "agent.artifact.sent"]
)
async def test_an_agent_that_is_killed_goes_on_with_what_is_owed(
    place: str, site: Site, fleet: Fleet, ledger: Ledger, tmp_path: Path
) -> None:
    agent = await _with_artifacts(fleet, tmp_path / "home")
    caller = await Caller.for_agent(site, agent)
    await caller.run_many(25, gated=True, lines=3, code=7)
    await caller.in_flight(ledger, 25)
    site.arm(place, turn=10)
    ledger.open("print")
    ledger.open("end")
    await site.hit(place)
    await agent.start()
    assert await caller.settle(ledger, may_crash=True) == Counters()
    whole = 0
    for job in caller.acknowledged:
        found, detail = await _stored(caller, job), await caller.job(job)
        assert detail is not None
        if detail["reason"] == "agent_crashed":
            assert found == []
        elif "before it had found the artifacts" not in await _said(caller, job):
            assert detail["exitCode"] == 7
            assert found == NAMES
            whole += 1
    assert whole >= 4, "ten files are of four jobs at least"
    await caller.close()


async def test_a_store_that_is_away_delays_artifacts_and_loses_none(
    stage: Stage, crew: Fleet, ledger: Ledger, tmp_path: Path
) -> None:
    agent = await _with_artifacts(crew, tmp_path / "home")
    caller = await Caller.for_agent(stage, agent)
    await caller.run_many(22, gated=True, lines=3)
    await caller.in_flight(ledger, 22)
    refused: Counter[str] = Counter()
    seen: Counter[str] = Counter()

    async def slow_down(exchange: Exchange) -> web.StreamResponse | None:
        refused[exchange.path] += exchange.method == "PUT" and "/files/" in exchange.path
        headers = {"Content-Type": "application/xml", "Retry-After": "1"}
        return await exchange.say(Answer(status=503, body=b"<Error><Code>SlowDown</Code></Error>", headers=headers))

    async def missed() -> bool:
        return refused.total() >= 22

    async def lost_answers(exchange: Exchange) -> web.StreamResponse | None:
        if exchange.method != "PUT" or "/files/" not in exchange.path:
            return None
        seen[exchange.path] += 1
        if seen[exchange.path] > 1:
            return None
        await exchange.ask()  # stored, and the answer is lost
        return exchange.cut()

    stage.s3.fault = slow_down
    ledger.open("print")
    ledger.open("end")
    await until(missed, True, seconds=120)
    stage.s3.fault = lost_answers
    assert await caller.settle(ledger) == Counters()
    details: list[Any] = [await caller.job(job) for job in caller.acknowledged]
    assert {detail["status"] for detail in details} == {"success"}
    assert [await _stored(caller, job) for job in caller.acknowledged] == [NAMES] * 22
    assert max(seen.values()) >= 2
    await caller.close()
