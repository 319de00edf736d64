"""Artifacts in the life of a job: uploaded before the report, whatever it says; stopped, and found again."""

import hashlib
import time
from pathlib import Path
from typing import Any

import pytest

from deplite_agent.artifacts.owed import OwedFile
from deplite_agent.jobs.journal import Journal, State
from tests.bucket import Bucket, Fault
from tests.unit.agent.artifacts.filing import Filing
from tests.unit.agent.builders import order, until, write_workflow
from tests.unit.agent.jobs.conftest import Desks
from tests.unit.agent.jobs.test_desk import over, reported
from tests.unit.agent.server import Server, answer

KEY = ("j-1", "u1234567")


def workflow(tmp_path: Path, script: str, artifacts: str = "[dist/*]", *, more: str = "") -> Path:
    """A workflow that works in a folder of its own; returns that folder."""
    home = tmp_path / "home"
    home.mkdir()
    indented = "\n".join(f"      {line}" for line in script.splitlines())
    text = (
        f"working-directory: {home}\nartifacts: {artifacts}\n{more}\nsteps:\n  - name: work\n    run: |\n{indented}\n"
    )
    write_workflow(tmp_path, text)
    return home


MAKE = "mkdir dist; echo one > dist/one.txt; echo two > dist/two.html"


def of(server: Server, stream: str) -> list[dict[str, Any]]:
    kept = server.stored[KEY]
    return [kept[seq] for seq in sorted(kept) if kept[seq]["stream"] == stream]


async def ran(desks: Desks) -> None:
    desk = desks()
    desk.take(order())
    await over(desk)


async def test_each_match_is_uploaded_before_the_report(
    tmp_path: Path, server: Server, desks: Desks, filing: Filing
) -> None:
    workflow(tmp_path, MAKE)
    await ran(desks)
    assert filing.names == ["dist/one.txt", "dist/two.html"]
    assert filing.content("dist/one.txt") == b"one\n"
    assert filing.declared["f-1"] == {
        "filename": "dist/two.html",
        "contentType": "text/html",
        "cleanupRule": "ttl",
        "ttlSeconds": 30 * 86400,
        "size": 4,
        "sha256": hashlib.sha256(b"two\n").hexdigest(),
    }
    assert filing.bucket.stored["/f-1"].headers["If-None-Match"] == "*"
    paths = [call.path for call in server.calls]
    assert paths.index("/agent/files/f-1/complete") < len(paths) - 1 - paths[::-1].index("/agent/jobs/j-1/result")
    assert server.results[KEY] == {"status": "success", "exitCode": 0}
    lines = server.lines()
    assert "Uploading 2 artifacts (8 bytes)" in lines
    assert "2 of 2 artifacts uploaded" in lines
    assert lines[-1] == "Workflow completed: success"
    assert {call.headers.get("X-Deplite-Job-Uid") for call in server.calls} == {"u1234567"}
    assert not OwedFile((await reported(tmp_path)).owed_path).exists


async def test_a_failed_job_has_its_report_too_and_keeps_it_as_long_as_asked(
    tmp_path: Path, server: Server, desks: Desks, filing: Filing
) -> None:
    workflow(tmp_path, f"{MAKE}; exit 7", "{paths: [dist/one.txt], keep-days: 2}")
    await ran(desks)
    assert filing.names == ["dist/one.txt"]
    assert filing.declared["f-0"]["ttlSeconds"] == 2 * 86400
    assert (server.results[KEY]["status"], server.results[KEY]["exitCode"]) == ("failed", 7)


async def test_a_job_whose_time_is_over_has_its_report_too(
    tmp_path: Path, server: Server, desks: Desks, filing: Filing
) -> None:
    workflow(tmp_path, f"{MAKE}; sleep 60", more="timeout-minutes: 0.01")
    await ran(desks)
    assert filing.names == ["dist/one.txt", "dist/two.html"]
    assert server.results[KEY]["status"] == "timeout"


async def test_nothing_that_matches_is_a_warning(tmp_path: Path, server: Server, desks: Desks, filing: Filing) -> None:
    workflow(tmp_path, "true")
    await ran(desks)
    (line,) = [line for line in of(server, "summary") if "artifacts" in line["content"]]
    assert (line["level"], line["content"]) == ("warn", "No file for artifacts: nothing matches dist/*")
    assert filing.declared == {}
    assert server.results[KEY]["status"] == "success"


async def test_an_empty_file_is_uploaded_without_a_declared_size(tmp_path: Path, desks: Desks, filing: Filing) -> None:
    workflow(tmp_path, "touch empty", "[empty]")
    await ran(desks)
    assert filing.names == ["empty"]
    assert "size" not in filing.declared["f-0"]


async def test_what_is_refused_is_an_error_in_the_log_and_no_other_result(
    tmp_path: Path, server: Server, desks: Desks, filing: Filing
) -> None:
    workflow(tmp_path, MAKE)
    filing.refuse["dist/one.txt"] = answer(422, "file_too_large")
    await ran(desks)
    assert filing.names == ["dist/two.html"]
    (line,) = of(server, "system")
    assert line["level"] == "error"
    assert line["content"].startswith("dist/one.txt was not uploaded: 422 file_too_large")
    assert "1 of 2 artifacts uploaded" in server.lines()
    assert server.results[KEY] == {"status": "success", "exitCode": 0}


@pytest.mark.parametrize("refusal", [answer(404, "not_found"), answer(429, "quota_exceeded", retryAfter=30)])
async def test_a_server_that_has_no_room_or_no_such_route_holds_nothing_up(
    tmp_path: Path, server: Server, desks: Desks, filing: Filing, refusal: Any
) -> None:
    workflow(tmp_path, MAKE)
    filing.refuse = dict.fromkeys(["dist/one.txt", "dist/two.html"], refusal)
    await ran(desks)
    assert server.results[KEY] == {"status": "success", "exitCode": 0}
    assert "0 of 2 artifacts uploaded" in server.lines()


async def test_a_secret_is_masked_in_the_name_everywhere(
    tmp_path: Path, server: Server, desks: Desks, filing: Filing
) -> None:
    script = 'mkdir dist; echo 1 > "dist/$TOKEN.txt"; echo "::add-mask::made-here"; echo 2 > dist/made-here'
    workflow(tmp_path, script, more="secrets: [{name: TOKEN}]")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "TOKEN").write_text("hunter2hunter2")
    seen: list[bytes] = []

    def look(call: Any) -> Any:
        owed = tmp_path / "jobs" / "j-1-u1234567" / "owed"
        seen.append(owed.read_bytes() if owed.exists() else b"")
        return filing(call)

    server.script = look
    await ran(desks)
    assert sorted(filing.names) == ["dist/***", "dist/***.txt"]
    everything = b"".join(call.raw for call in server.calls) + b"".join(seen)
    assert b"hunter2" not in everything
    assert b"made-here" not in everything


async def test_a_link_that_leads_out_is_an_error_that_says_what_to_do(
    tmp_path: Path, server: Server, desks: Desks, filing: Filing
) -> None:
    workflow(tmp_path, "ln -s /etc/passwd leak; echo x > ok", "['*']")
    await ran(desks)
    assert filing.names == ["ok"]
    (line,) = of(server, "system")
    assert "leak is a link that leads out of the working directory: copy the file into it" in line["content"]


# --- while something is away -----------------------------------------------------------------------------------------


async def test_a_store_that_is_away_is_asked_again_when_it_says(
    tmp_path: Path, desks: Desks, bucket: Bucket, filing: Filing
) -> None:
    workflow(tmp_path, MAKE, "[dist/one.txt]")
    moments: list[float] = []

    def away(method: str, path: str) -> Fault | None:
        moments.append(time.monotonic())
        return Fault(status=503, headers={"Retry-After": "2"}) if len(moments) < 2 else None

    bucket.fault = away
    await ran(desks)
    assert filing.names == ["dist/one.txt"]
    assert moments[1] - moments[0] >= 2
    assert len(filing.declared) == 1, "the address is still good"


async def test_a_server_that_cannot_reach_its_store_is_asked_again(
    tmp_path: Path, server: Server, desks: Desks, filing: Filing
) -> None:
    workflow(tmp_path, MAKE, "[dist/one.txt]")
    answers = [answer(503, "storage_unavailable"), answer(503, "storage_unavailable")]
    server.script = lambda call: answers.pop() if "/files/" in call.path and answers else filing(call)
    await ran(desks)
    assert filing.names == ["dist/one.txt"]


async def test_an_answer_of_the_store_that_was_lost_costs_no_second_object(
    tmp_path: Path, desks: Desks, bucket: Bucket, filing: Filing
) -> None:
    workflow(tmp_path, MAKE, "[dist/one.txt]")
    bucket.fault = lambda _m, _p: Fault(status=500, stores=True) if len(bucket.asked) == 1 else None
    await ran(desks)
    assert filing.names == ["dist/one.txt"]
    assert bucket.asked == ["PUT /f-0", "PUT /f-0"], "the second one is 412: it is there"


async def test_an_address_whose_time_is_over_is_asked_for_anew(
    tmp_path: Path, desks: Desks, bucket: Bucket, filing: Filing
) -> None:
    workflow(tmp_path, MAKE, "[dist/one.txt]")
    bucket.fault = lambda _m, _p: Fault(status=403, code="AccessDenied") if len(bucket.asked) == 1 else None
    await ran(desks)
    assert bucket.asked == ["PUT /f-0", "PUT /f-1"]
    assert filing.completed == ["f-1"]


async def test_a_store_that_refuses_for_good_is_given_up(
    tmp_path: Path, server: Server, desks: Desks, bucket: Bucket, filing: Filing
) -> None:
    workflow(tmp_path, MAKE, "[dist/one.txt]")
    bucket.fault = lambda _m, _p: Fault(status=403, code="AccessDenied")
    await ran(desks)
    assert len(bucket.asked) == 3
    assert "403 AccessDenied" in of(server, "system")[0]["content"]
    assert server.results[KEY]["status"] == "success"


async def test_the_jobs_time_bounds_it_and_the_result_is_not_touched(
    tmp_path: Path, server: Server, desks: Desks, bucket: Bucket, filing: Filing
) -> None:
    workflow(tmp_path, MAKE, more="timeout-minutes: 0.1")
    bucket.fault = lambda _m, _p: Fault(status=503)
    await ran(desks)
    assert filing.completed == []
    assert "The job's time left no more room for uploads" in of(server, "system")[0]["content"]
    assert server.results[KEY] == {"status": "success", "exitCode": 0}


# --- stopped, and found again ----------------------------------------------------------------------------------------


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


async def test_a_process_that_ended_before_the_search_says_so(
    tmp_path: Path, server: Server, desks: Desks, filing: Filing
) -> None:
    from deplite_agent.artifacts.owed import Owed
    from deplite_agent.jobs.result import Result

    (tmp_path / "jobs").mkdir()
    journal = Journal.create(tmp_path / "jobs", order(), "i0")
    journal.claimed()
    journal.starting(2**22 + 1)
    owed = Owed(folder=tmp_path, patterns=("*",), keep_days=1, until=time.time() + 60)
    OwedFile(journal.owed_path).begin(owed)
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
    from deplite_agent.artifacts.owed import Owed

    (tmp_path / "jobs").mkdir()
    journal = Journal.create(tmp_path / "jobs", order(), "i0")
    journal.claimed()
    journal.starting(2**22 + 1)
    owed = Owed(folder=tmp_path, patterns=("*",), keep_days=1, until=time.time() + 60)
    OwedFile(journal.owed_path).begin(owed)
    journal.close()
    desk = desks()
    desk.recover()
    await over(desk)
    assert server.results[KEY]["reason"] == "agent_crashed"
    assert filing.declared == {}


# --- large ones ------------------------------------------------------------------------------------------------------


async def test_a_large_file_says_how_far_it_is(
    tmp_path: Path, server: Server, desks: Desks, filing: Filing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deplite_agent.artifacts.delivery.SAY_SECONDS", 0.0)
    workflow(tmp_path, "head -c 3000000 /dev/zero > big.bin", "[big.bin]")
    filing.bucket.keeps = False
    await ran(desks)
    said = [line for line in server.lines() if line.startswith("big.bin: ")]
    assert said[-1] == "big.bin: 100% of 2.9 MiB"
    assert len(said) > 5
    assert filing.bucket.stored["/f-0"].size == 3_000_000
