"""The server's picture of this machine: told at the start, when asked, when a file changes, until it is heard."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from deplite_agent.errors import RevokedError
from deplite_agent.loops.heartbeat import beat
from deplite_agent.loops.report import Reporter
from deplite_agent.workflows.inventory import Inventory
from tests.unit.agent.builders import one_step, until, write_workflow
from tests.unit.agent.server import Server, answer


@asynccontextmanager
async def reporting(tmp_path: Path, server: Server) -> AsyncIterator[Reporter]:
    reporter = Reporter(server.transport(), Inventory(tmp_path / "workflows"), scan_seconds=0.05)
    task = asyncio.create_task(reporter.run())
    try:
        yield reporter
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def names(server: Server) -> list[list[str]]:
    return [[workflow["name"] for workflow in body["workflows"]] for body in server.bodies("report")]


async def test_facts_and_workflows_are_told_at_the_start_and_when_asked(tmp_path: Path) -> None:
    server = Server()
    write_workflow(tmp_path, one_step("true"))
    async with reporting(tmp_path, server) as reporter:
        await reporter.first()
        assert [(call.method, call.path) for call in server.calls] == [
            ("PATCH", "/agent/identity"),
            ("POST", "/agent/workflows/report"),
        ]
        assert set(server.calls[0].body) == {"hostname", "os", "agentVersion"}
        reporter.ask()
        await until(lambda: len(names(server)) == 2)
    assert names(server) == [["deploy"], ["deploy"]]


async def test_a_file_that_comes_changes_or_goes_is_told(tmp_path: Path) -> None:
    server = Server()
    async with reporting(tmp_path, server) as reporter:
        await reporter.first()
        path = write_workflow(tmp_path, one_step("true"))
        await until(lambda: names(server)[-1] == ["deploy"])
        path.write_text("name: other\n" + one_step("true"))
        await until(lambda: names(server)[-1] == ["other"])
        path.unlink()
        await until(lambda: names(server)[-1] == [])


async def test_a_server_that_is_away_is_told_later_and_a_refusal_is_not_the_end(tmp_path: Path) -> None:
    server = Server()
    write_workflow(tmp_path, one_step("true"))
    server.script = lambda call: (
        httpx.Response(503) if len(server.calls) == 1 else answer(422, "x") if len(names(server)) == 1 else None
    )
    async with reporting(tmp_path, server) as reporter:
        await reporter.first()
        write_workflow(tmp_path, one_step("true"), "second")
        await until(lambda: names(server)[-1] == ["deploy", "second"])


@pytest.mark.parametrize("loop", ["report", "heartbeat"])
async def test_a_revoked_agent_learns_it_from_any_call(tmp_path: Path, loop: str) -> None:
    server = Server()
    server.script = lambda _: answer(503, "x") if len(server.calls) == 1 else answer(401, "agent_revoked")
    reporter = Reporter(server.transport(), Inventory(tmp_path), scan_seconds=1)
    work = reporter.run() if loop == "report" else beat(server.transport(), 0.02)
    with pytest.raises(RevokedError):
        await asyncio.wait_for(work, 60)
    assert len(server.calls) == 2
