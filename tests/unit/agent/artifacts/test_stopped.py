"""Artifacts of jobs that are stopped, and of processes that ended: what is true stays true."""

import time
from pathlib import Path

from deplite_agent.artifacts.owed import Owed, OwedFile
from deplite_agent.jobs.journal import Journal, State
from deplite_agent.jobs.result import Result
from tests.bucket import Bucket, Fault
from tests.unit.agent.artifacts.filing import Filing
from tests.unit.agent.artifacts.jobs import KEY, MAKE, of, workflow
from tests.unit.agent.builders import order, until
from tests.unit.agent.jobs.conftest import Desks
from tests.unit.agent.jobs.test_desk import over
from tests.unit.agent.server import Server, answer


async def test_a_cancel_stops_the_uploads_and_not_what_is_true(
    tmp_path: Path, server: Server, desks: Desks, bucket: Bucket, filing: Filing
) -> None:
    workflow(tmp_path, MAKE)
    bucket.fault = lambda _m, _p: Fault(status=503)
    desk = desks()
    desk.take(order())
    await until(lambda: bucket.asked)
    desk.cancel("j-1", "u1234567", "cancelled")
    await over(desk)
    assert server.results[KEY] == {"status": "success", "exitCode": 0}
    assert of(server, "system")[0]["content"] == "The uploads were stopped: the job was cancelled."


async def test_a_run_that_was_cancelled_uploads_nothing(
    tmp_path: Path, server: Server, desks: Desks, filing: Filing
) -> None:
    home = workflow(tmp_path, f"{MAKE}; sleep 60")
    desk = desks(grace=0.3)
    desk.take(order())
    await until((home / "dist/two.html").exists)
    desk.cancel("j-1", "u1234567", "cancelled")
    await over(desk)
    assert server.results[KEY]["reason"] == "cancelled"
    assert filing.declared == {}


async def test_the_result_is_in_the_journal_before_anything_is_uploaded_and_the_next_process_goes_on(
    tmp_path: Path, server: Server, desks: Desks, bucket: Bucket, filing: Filing
) -> None:
    home = workflow(tmp_path, f"{MAKE}; exit 3")
    bucket.fault = lambda _m, path: Fault(status=503) if path != "/f-0" else None
    first = desks()
    first.take(order())
    await until(lambda: len(bucket.asked) > 1)
    journal = Journal.read(tmp_path / "jobs" / "j-1-u1234567")
    assert journal is not None
    assert journal.life.state is State.EXITED
    assert server.ends() == []
    await first.close()
    assert filing.completed == ["f-0"]

    bucket.fault = lambda _m, _p: None
    second = desks("i2")
    second.recover()
    await over(second)
    assert filing.names == ["dist/one.txt", "dist/two.html"], "what is stored is not sent again"
    assert server.results[KEY]["exitCode"] == 3
    assert server.lines()[-1] == "Workflow completed: failed"
    assert home.exists()


async def test_an_upload_that_had_arrived_before_a_crash_is_only_completed(
    tmp_path: Path, server: Server, desks: Desks, bucket: Bucket, filing: Filing
) -> None:
    workflow(tmp_path, MAKE, "[dist/one.txt]")
    away = True
    server.script = lambda call: answer(503, "unavailable") if away and "complete" in call.path else filing(call)
    first = desks()
    first.take(order())
    await until(lambda: bucket.stored)
    await first.close()
    away = False
    second = desks("i2")
    second.recover()
    await over(second)
    assert bucket.asked == ["PUT /f-0"]
    assert filing.completed == ["f-0"]
    assert any(line.startswith("Uploaded dist/one.txt (4 bytes") for line in server.lines())


async def test_files_that_are_gone_after_a_restart_are_named(
    tmp_path: Path, server: Server, desks: Desks, bucket: Bucket, filing: Filing
) -> None:
    home = workflow(tmp_path, MAKE, "[dist/one.txt]")
    bucket.fault = lambda _m, _p: Fault(status=503)
    first = desks()
    first.take(order())
    await until(lambda: bucket.asked)
    await first.close()
    (home / "dist/one.txt").unlink()
    second = desks("i2")
    second.recover()
    await over(second)
    assert "dist/one.txt was not uploaded: it cannot be read (No such file" in of(server, "system")[0]["content"]
    assert server.results[KEY]["status"] == "success"


def owing(tmp_path: Path) -> Journal:
    """The journal of a process that started a step of a job which owes artifacts, and found none yet."""
    (tmp_path / "jobs").mkdir()
    journal = Journal.create(tmp_path / "jobs", order(), "i0")
    journal.claimed()
    journal.starting(2**22 + 1)
    owed = Owed(folder=tmp_path, patterns=("*",), keep_days=1, until=time.time() + 60)
    OwedFile(journal.owed_path).begin(owed)
    return journal


async def test_a_process_that_ended_before_the_search_says_so(
    tmp_path: Path, server: Server, desks: Desks, filing: Filing
) -> None:
    journal = owing(tmp_path)
    journal.exited(Result(status="success", exit_code=0))
    journal.close()
    desk = desks()
    desk.recover()
    await over(desk)
    assert "before it had found the artifacts" in of(server, "system")[0]["content"]
    assert server.results[KEY] == {"status": "success", "exitCode": 0}
    assert filing.declared == {}


async def test_a_crash_within_the_steps_uploads_nothing(
    tmp_path: Path, server: Server, desks: Desks, filing: Filing
) -> None:
    journal = owing(tmp_path)
    journal.close()
    desk = desks()
    desk.recover()
    await over(desk)
    assert server.results[KEY]["reason"] == "agent_crashed"
    assert filing.declared == {}
