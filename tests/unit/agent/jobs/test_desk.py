"""All jobs of an agent: taken on once, whatever comes again; stopped at any stage; found again after a restart."""

import asyncio
import time
from pathlib import Path

import httpx
import pytest

from deplite_agent.jobs.desk import KEPT_SECONDS, Desk
from deplite_agent.jobs.journal import Journal, State
from deplite_agent.jobs.result import Result
from deplite_agent.records import encode_record
from tests.unit.agent.builders import one_step, order, runs, text_of, until, write_workflow
from tests.unit.agent.jobs.conftest import Desks
from tests.unit.agent.server import Call, Server, answer

KEY = "j-1-u1234567"


def ledger(tmp_path: Path, then: str = "true") -> Path:
    """A workflow whose step first writes that it started."""
    path = tmp_path / "ledger"
    write_workflow(tmp_path, one_step(f"echo start >> {path}\n{then}"))
    return path


async def reported(tmp_path: Path, key: str = KEY) -> Journal:
    def state() -> bool:
        journal = Journal.read(tmp_path / "jobs" / key)
        return journal is not None and journal.life.state is State.REPORTED

    await until(state)
    journal = Journal.read(tmp_path / "jobs" / key)
    assert journal is not None
    return journal


async def over(desk: Desk) -> None:
    """Wait until the desk has nothing to look after."""
    await until(lambda: not desk._jobs)


async def test_the_same_order_a_hundred_times_is_one_start(tmp_path: Path, server: Server, desks: Desks) -> None:
    path = ledger(tmp_path)
    desk = desks()
    for _ in range(50):
        desk.take(order())
    await until(path.exists)
    for _ in range(50):
        desk.take(order())
    await reported(tmp_path)
    assert path.read_text() == "start\n"
    assert server.results[("j-1", "u1234567")] == {"status": "success", "exitCode": 0}


async def test_f10_after_the_end_and_after_a_restart_the_result_is_told_again(
    tmp_path: Path, server: Server, desks: Desks
) -> None:
    path = ledger(tmp_path, "exit 3")
    desk = desks()
    desk.take(order())
    await over(desk)
    desk.take(order())
    await until(lambda: len(server.ends()) == 2)
    await desk.drain(0, 2)
    second = desks("i2")
    second.recover()
    second.take(order())
    await until(lambda: len(server.ends()) == 3)
    assert {body["exitCode"] for body in server.ends()} == {3}
    assert path.read_text() == "start\n"
    assert {call.headers["X-Deplite-Instance"] for call in server.calls} == {"i1"}


async def test_the_same_id_with_another_uid_is_another_job(tmp_path: Path, server: Server, desks: Desks) -> None:
    path = ledger(tmp_path)
    desk = desks()
    desk.take(order())
    desk.take(order(job_uid="v7654321"))
    await reported(tmp_path)
    await reported(tmp_path, "j-1-v7654321")
    assert path.read_text() == "start\n" * 2


async def test_nothing_starts_before_the_claim_has_its_2xx(tmp_path: Path, server: Server, desks: Desks) -> None:
    path = ledger(tmp_path)
    seen: list[bool] = []

    def away(call: Call) -> httpx.Response | None:
        seen.append(path.exists())
        return httpx.Response(503) if len(seen) < 4 else None

    server.script = away
    desks().take(order())
    await until(path.exists)
    assert seen[:4] == [False] * 4


@pytest.mark.parametrize("code", ["already_claimed", "job_finished"])
async def test_a_job_that_is_not_ours_is_not_run_and_forgotten(
    tmp_path: Path, server: Server, desks: Desks, code: str
) -> None:
    path = ledger(tmp_path)
    server.script = lambda _: answer(409, code)
    desks().take(order())
    await until(lambda: server.calls and not list((tmp_path / "jobs").iterdir()))
    assert not path.exists()


# --- after a restart -------------------------------------------------------------------------------------------------


def left_behind(tmp_path: Path, *states: State) -> Journal:
    (tmp_path / "jobs").mkdir(exist_ok=True)
    journal = Journal.create(tmp_path / "jobs", order(), "i0")
    for state in states:
        match state:
            case State.CLAIMED:
                journal.claimed()
            case State.STARTING:
                journal.log_path.write_bytes(encode_record({"seq": 0, "content": "Work started"}))
                journal.starting(2**22 + 7)  # no pid is so big
            case State.EXITED:
                journal.exited(Result(status="failed", reason="exit_code", exit_code=9, message="true"))
    journal.close()
    return journal


@pytest.mark.parametrize("states", [[], [State.CLAIMED]])
async def test_f11_what_never_started_is_run_after_a_restart_under_the_process_that_took_it(
    tmp_path: Path, server: Server, desks: Desks, states: list[State]
) -> None:
    path = ledger(tmp_path)
    left_behind(tmp_path, *states)
    desks("i2").recover()
    await reported(tmp_path)
    assert path.read_text() == "start\n"
    assert server.claims == {("j-1", "u1234567"): "i0"}


async def test_f12_what_was_starting_ends_as_crashed_and_is_not_run_again(
    tmp_path: Path, server: Server, desks: Desks
) -> None:
    path = ledger(tmp_path)
    left_behind(tmp_path, State.CLAIMED, State.STARTING)
    desk = desks("i2")
    desk.recover()
    desk.take(order())
    await over(desk)
    desk.take(order())
    await until(lambda: len(server.ends()) > 1)
    assert not path.exists()
    assert {(body["status"], body["reason"]) for body in server.ends()} == {("failed", "agent_crashed")}
    assert server.lines()[0] == "Work started"
    assert server.lines()[-1] == "Workflow completed: failed"


async def test_f14_what_had_exited_is_reported_as_it_was(tmp_path: Path, server: Server, desks: Desks) -> None:
    path = ledger(tmp_path)
    left_behind(tmp_path, State.CLAIMED, State.STARTING, State.EXITED)
    desks("i2").recover()
    await reported(tmp_path)
    assert not path.exists()
    assert [(body["reason"], body["exitCode"]) for body in server.ends()] == [("exit_code", 9)]


async def test_f15_a_job_whose_journal_is_lost_is_never_run_again(tmp_path: Path, server: Server, desks: Desks) -> None:
    path = ledger(tmp_path)
    folder = left_behind(tmp_path, State.CLAIMED, State.STARTING).folder
    raw = (folder / "journal").read_bytes()
    (folder / "journal").write_bytes(b"?" + raw[1:])
    desk = desks("i2")
    desk.recover()
    assert folder.exists()
    desk.take(order())
    await reported(tmp_path)
    assert not path.exists()
    assert [body["reason"] for body in server.ends()] == ["agent_crashed"]
    assert server.lines()[0] == "Work started"


async def test_one_folder_that_cannot_be_read_stops_no_other_job(tmp_path: Path, server: Server, desks: Desks) -> None:
    path = ledger(tmp_path)
    left_behind(tmp_path)
    (tmp_path / "jobs" / "a-bad-one" / "journal").mkdir(parents=True)
    (tmp_path / "jobs" / "a-file").write_text("x")
    desk = desks("i2")
    desk.recover()
    desk.take(order(job_id="a-bad", job_uid="one"))
    await reported(tmp_path)
    assert path.read_text() == "start\n"
    assert (tmp_path / "jobs" / "a-bad-one").exists()


async def test_a_torn_journal_that_promised_nothing_is_removed(tmp_path: Path, desks: Desks) -> None:
    folder = left_behind(tmp_path).folder
    (folder / "journal").write_bytes((folder / "journal").read_bytes()[:-5])
    desks().recover()
    assert not folder.exists()


async def test_journals_are_kept_for_a_day(tmp_path: Path, server: Server, desks: Desks) -> None:
    ledger(tmp_path)
    desk = desks()
    desk.take(order())
    await over(desk)
    later = time.time() + KEPT_SECONDS
    desks(now=lambda: later - 60).prune()
    assert (tmp_path / "jobs" / KEY).exists()
    desks(now=lambda: later + 60).prune()
    assert not (tmp_path / "jobs" / KEY).exists()


# --- the end of the process ------------------------------------------------------------------------------------------


async def test_a_drain_lets_what_runs_end_and_takes_nothing_on(tmp_path: Path, server: Server, desks: Desks) -> None:
    path = ledger(tmp_path, f"while ! test -e {tmp_path}/go; do sleep 0.05; done")
    desk = desks(slots=1)
    desk.take(order())
    await until(path.exists)
    desk.take(order(job_id="j-2"))
    draining = asyncio.create_task(desk.drain(120, 60))
    await asyncio.sleep(0)
    desk.take(order(job_id="j-3"))
    (tmp_path / "go").touch()
    await draining
    assert path.read_text() == "start\n"
    assert [body["status"] for body in server.ends()] == ["success"]
    waiting = Journal.read(tmp_path / "jobs" / "j-2-u1234567")
    assert waiting is not None
    assert waiting.life.state is State.ACCEPTED
    assert not (tmp_path / "jobs" / "j-3-u1234567").exists()


async def test_a_drain_whose_time_is_over_stops_what_runs(tmp_path: Path, server: Server, desks: Desks) -> None:
    path = ledger(tmp_path, "sleep 600")
    desk = desks()
    desk.take(order())
    await until(path.exists)
    await desk.drain(0, 60)
    assert [(body["status"], body["reason"]) for body in server.ends()] == [("failed", "agent_crashed")]


async def test_a_drain_waits_for_the_answer_to_a_claim_and_runs_what_was_given(
    tmp_path: Path, server: Server, desks: Desks
) -> None:
    path = ledger(tmp_path)
    desk = desks()
    asked: list[bool] = []

    def away(call: Call) -> httpx.Response | None:
        asked.append(path.exists())
        return httpx.Response(503) if len(asked) < 3 else None

    server.script = away
    desk.take(order())
    await until(lambda: asked)
    await desk.drain(60, 60)
    assert asked[:3] == [False] * 3
    assert [body["status"] for body in server.ends()] == ["success"]
    assert path.read_text() == "start\n"


async def test_a_claim_that_nobody_answers_is_left_to_the_next_start(
    tmp_path: Path, server: Server, desks: Desks
) -> None:
    path = ledger(tmp_path)
    desk = desks()
    server.script = lambda _: httpx.Response(503)
    desk.take(order())
    await until(lambda: server.calls)
    await desk.drain(0, 60)
    assert not path.exists()
    server.script = lambda _: None
    desks("i2").recover()
    await reported(tmp_path)
    assert server.claims == {("j-1", "u1234567"): "i1"}
    assert path.read_text() == "start\n"


async def test_a_drain_waits_for_delivery_as_long_as_it_may(tmp_path: Path, server: Server, desks: Desks) -> None:
    ledger(tmp_path, f"touch {tmp_path}/ended")
    desk = desks()
    refused: list[Call] = []

    def away(call: Call) -> httpx.Response | None:
        running = call.path.endswith("/result") and call.body["status"] == "running"
        if running or len(refused) > 3:
            return None
        refused.append(call)
        return httpx.Response(503)

    server.script = away
    desk.take(order())
    await until((tmp_path / "ended").exists)
    await desk.drain(60, 60)
    assert [body["status"] for body in server.ends()][-1] == "success"
    assert server.results
    assert len(refused) == 4


async def test_closing_ends_the_steps_at_once_and_the_next_process_says_so(
    tmp_path: Path, server: Server, desks: Desks
) -> None:
    path = ledger(tmp_path, f"trap '' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 0.1; done")
    desk: Desk = desks()
    desk.take(order())
    await until(lambda: text_of(tmp_path / "pid"))
    await desk.close()
    await until(lambda: not runs(text_of(tmp_path / "pid")))
    desks("i2").recover()
    await reported(tmp_path)
    assert path.read_text() == "start\n"
    assert [body["reason"] for body in server.ends()] == ["agent_crashed"]
