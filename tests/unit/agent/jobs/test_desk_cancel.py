"""F40: a job is cancelled at each stage; it has one end, and nothing of it is left."""

import asyncio
from pathlib import Path

import httpx
import pytest

from deplite.protocol.phases import Reason
from deplite_agent.jobs.journal import Journal, State
from deplite_agent.jobs.result import stopped
from tests.unit.agent.builders import one_step, order, runs, text_of, until, write_workflow
from tests.unit.agent.jobs.conftest import Desks
from tests.unit.agent.jobs.test_desk import ledger, reported
from tests.unit.agent.server import Call, Server


async def test_while_it_waits_for_a_place(tmp_path: Path, server: Server, desks: Desks) -> None:
    write_workflow(tmp_path, one_step(f"while ! test -e {tmp_path}/go; do sleep 0.05; done"))
    desk = desks(slots=1)
    desk.take(order())
    await until(lambda: server.claims)
    path = tmp_path / "ledger"
    write_workflow(tmp_path, one_step(f"echo start >> {path}"), "second")
    desk.take(order(job_id="j-2", workflow="second"))
    desk.cancel("j-2", "u1234567", "cancelled")
    (tmp_path / "go").touch()
    await reported(tmp_path, "j-2-u1234567")
    assert not path.exists()
    assert server.results[("j-2", "u1234567")]["reason"] == "cancelled"
    assert server.results[("j-1", "u1234567")]["status"] == "success"


async def test_while_the_claim_has_no_answer(tmp_path: Path, server: Server, desks: Desks) -> None:
    path = ledger(tmp_path)
    away = [True]
    server.script = lambda _: httpx.Response(503) if away[0] else None
    desk = desks()
    desk.take(order())
    await until(lambda: server.calls)
    desk.cancel("j-1", "", "superseded")
    away[0] = False
    await reported(tmp_path)
    assert not path.exists()
    assert [body["reason"] for body in server.ends()] == ["superseded"]


async def test_as_the_claim_is_answered(tmp_path: Path, server: Server, desks: Desks) -> None:
    path = ledger(tmp_path)
    desk = desks()

    def cancelled_meanwhile(call: Call) -> httpx.Response | None:
        desk.cancel("j-1", "u1234567", "cancelled")
        return None

    server.script = cancelled_meanwhile
    desk.take(order())
    await reported(tmp_path)
    assert not path.exists()
    assert [body["reason"] for body in server.ends()] == ["cancelled"]


@pytest.mark.parametrize(
    ("reason", "status", "told"),
    [
        ("cancelled", "failed", "cancelled"),
        ("superseded", "failed", "superseded"),
        ("timeout", "timeout", "timeout"),
        ("agent_revoked", "failed", "agent_revoked"),
        ("a word of tomorrow", "failed", "cancelled"),
    ],
)
async def test_while_it_runs(tmp_path: Path, server: Server, desks: Desks, reason: str, status: str, told: str) -> None:
    path = ledger(tmp_path, "sleep 600")
    desk = desks()
    desk.take(order())
    await until(path.exists)
    desk.cancel("j-1", "u1234567", reason)
    desk.cancel("j-1", "u1234567", "superseded")
    await reported(tmp_path)
    assert [(body["status"], body["reason"]) for body in server.ends()] == [(status, told)]
    assert server.lines()[-1] == f"Workflow completed: {status}"


async def test_steps_that_ignore_being_told_are_killed_after_the_grace(
    tmp_path: Path, server: Server, desks: Desks
) -> None:
    script = f"trap 'echo told >> {tmp_path}/told' TERM\necho $$ > {tmp_path}/pid\nwhile :; do sleep 0.05; done"
    write_workflow(tmp_path, one_step(script))
    desk = desks(grace=0.5)
    desk.take(order())
    await until(lambda: text_of(tmp_path / "pid"))
    desk.cancel("j-1", "u1234567", "cancelled")
    await reported(tmp_path)
    assert text_of(tmp_path / "told") == "told\n"
    assert not runs(text_of(tmp_path / "pid"))
    assert [body["reason"] for body in server.ends()] == ["cancelled"]


async def test_between_two_tries_of_a_step(tmp_path: Path, server: Server, desks: Desks) -> None:
    path = tmp_path / "ledger"
    text = one_step(f"echo start >> {path}; exit 1") + "    retry: {max-attempts: 9, initial-delay-seconds: 300}\n"
    write_workflow(tmp_path, text)
    desk = desks()
    desk.take(order())
    await until(path.exists)
    await until(lambda: b"again" in (tmp_path / "jobs" / "j-1-u1234567" / "log").read_bytes())
    desk.cancel("j-1", "u1234567", "cancelled")
    await reported(tmp_path)
    assert path.read_text() == "start\n"
    assert [body["reason"] for body in server.ends()] == ["cancelled"]


async def test_after_the_end_while_the_server_is_away(tmp_path: Path, server: Server, desks: Desks) -> None:
    ledger(tmp_path)
    away = [True]
    server.script = lambda call: httpx.Response(503) if away[0] and b"running" not in call.raw else None
    desk = desks()
    desk.take(order())

    def exited() -> bool:
        journal = Journal.read(tmp_path / "jobs" / "j-1-u1234567")
        return journal is not None and journal.life.state is State.EXITED

    await until(exited)
    desk.cancel("j-1", "u1234567", "cancelled")
    away[0] = False
    await reported(tmp_path)
    assert {body["status"] for body in server.ends()} == {"success"}


async def test_another_job_of_the_same_id_and_unknown_ones_are_left_alone(
    tmp_path: Path, server: Server, desks: Desks
) -> None:
    path = ledger(tmp_path, f"while ! test -e {tmp_path}/go; do sleep 0.05; done")
    desk = desks()
    desk.take(order())
    await until(path.exists)
    desk.cancel("j-1", "another-uid", "cancelled")
    desk.cancel("j-2", "", "cancelled")
    (tmp_path / "go").touch()
    await reported(tmp_path)
    assert [body["status"] for body in server.ends()] == ["success"]


async def test_a_revoked_agent_stops_all_of_them(tmp_path: Path, server: Server, desks: Desks) -> None:
    path = ledger(tmp_path, "sleep 600")
    desk = desks()
    for number in range(3):
        desk.take(order(job_id=f"j-{number}"))
    await until(lambda: text_of(path).count("start") == 3)
    desk.stop_all(stopped(Reason.AGENT_REVOKED))
    await asyncio.gather(*(reported(tmp_path, f"j-{number}-u1234567") for number in range(3)))
    assert {body["reason"] for body in server.ends()} == {"agent_revoked"}
