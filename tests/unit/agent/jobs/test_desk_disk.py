"""F16: a full disk costs a job at most its log, and then the log says so; what cannot be written down is not run."""

import re
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from deplite_agent.jobs.desk import Desk
from deplite_agent.jobs.journal import Journal
from tests.unit.agent.builders import one_step, order, until, write_workflow
from tests.unit.agent.disks import full_disk
from tests.unit.agent.jobs.conftest import Desks
from tests.unit.agent.jobs.test_desk import ledger, over, reported
from tests.unit.agent.server import Call, Server

FOLDER = Path("jobs", "j-1-u1234567")


async def test_a_job_that_cannot_be_written_down_is_rejected_until_the_server_has_heard(
    tmp_path: Path, server: Server, desks: Desks
) -> None:
    path = ledger(tmp_path)
    server.script = lambda _: httpx.Response(503) if len(server.calls) < 3 else None
    desk = desks()
    with full_disk(1000):
        desk.take(order())
    desk.take(order())
    await until(lambda: server.results)
    assert [body["status"] for body in server.bodies("result")] == ["rejected"] * 3
    assert "disk" in server.results[("j-1", "u1234567")]["errorMessage"]
    assert not path.exists()
    assert list((tmp_path / "jobs").iterdir()) == []


async def comes_again(desk: Desk, server: Server) -> None:
    """There is room again, and the server, which forgot all of it, asks for the same job."""
    server.claims.clear()
    server.results.clear()
    desk.take(order())
    await over(desk)
    assert server.ends()[-1]["status"] != "success"


async def test_a_claim_that_cannot_be_written_down_is_rejected(tmp_path: Path, server: Server, desks: Desks) -> None:
    path = ledger(tmp_path)
    with ExitStack() as disk:

        def fill(call: Call) -> httpx.Response | None:
            if b"running" in call.raw:
                disk.enter_context(full_disk((tmp_path / FOLDER / "journal").stat().st_size + 20))
            return None

        server.script = fill
        desk = desks()
        desk.take(order())
        await over(desk)
    assert [body["status"] for body in server.ends()] == ["rejected"]
    await comes_again(desk, server)
    assert not path.exists()


async def test_a_start_that_cannot_be_written_down_starts_nothing(tmp_path: Path, server: Server, desks: Desks) -> None:
    """The journal's file is full just then; the log's is shorter and takes its lines."""
    path = ledger(tmp_path)
    (tmp_path / FOLDER).mkdir(parents=True)
    journal = Journal.create(tmp_path / "jobs", order(params={"pad": "x" * 4000}), "i1")
    journal.claimed()
    journal.close()
    with full_disk((tmp_path / FOLDER / "journal").stat().st_size + 20):
        desk = desks()
        desk.recover()
        await over(desk)
    assert [(body["status"], body["reason"]) for body in server.ends()] == [("failed", "agent_crashed")]
    await comes_again(desk, server)
    assert not path.exists()


async def test_the_lines_that_a_full_disk_did_not_take_are_declared_and_the_result_is_true(
    tmp_path: Path, server: Server, desks: Desks, caplog: pytest.LogCaptureFixture
) -> None:
    wait = "while ! test -e {0}; do sleep 0.02; done"
    script = (
        f"echo first\n{wait.format(tmp_path / 'full')}\nfor n in 1 2 3 4 5; do echo line $n; done\n"
        f"{wait.format(tmp_path / 'room')}\necho last\nexit 3"
    )
    write_workflow(tmp_path, one_step(script))
    desks().take(order())
    spool = tmp_path / FOLDER / "log"
    await until(lambda: spool.exists() and b"first" in spool.read_bytes())
    with full_disk(spool.stat().st_size + 10):
        (tmp_path / "full").touch()
        await until(lambda: "log lines are lost" in caplog.text)
    (tmp_path / "room").touch()
    await reported(tmp_path)
    kept = server.stored[("j-1", "u1234567")]
    (gap,) = (item for item in kept.values() if item["stream"] == "system")
    first, last = map(int, re.findall(r"[0-9]+", gap["content"]))
    assert gap["content"] == f"The lines {first} to {last} are lost: the disk of the agent was full."
    assert gap["seq"] == first
    assert sorted(set(range(max(kept) + 1)) - set(kept)) == list(range(first + 1, last + 1))
    assert [f"line {n}\n" for n in range(1, 6)][last - first + 1 :] == [
        line for line in server.lines() if line.startswith("line ")
    ]
    assert server.lines()[:2] == ["Work started", "first\n"]
    assert "last\n" in server.lines()
    assert server.results[("j-1", "u1234567")]["exitCode"] == 3
