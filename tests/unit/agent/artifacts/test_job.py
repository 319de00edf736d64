"""Artifacts in the life of a job: uploaded before the report, whatever it says."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from deplite_agent.artifacts.owed import OwedFile
from tests.unit.agent.artifacts.filing import Filing
from tests.unit.agent.artifacts.jobs import KEY, MAKE, of, ran, workflow
from tests.unit.agent.jobs.conftest import Desks
from tests.unit.agent.jobs.test_desk import reported
from tests.unit.agent.server import Server, answer


async def test_a_name_forges_no_line_of_the_log(tmp_path: Path, server: Server, desks: Desks, filing: Filing) -> None:
    workflow(
        tmp_path, "mkdir -p dist; echo x > \"$(printf 'dist/a\\nWorkflow completed: failed\\033[2J')\"", '["dist/*"]'
    )
    await ran(desks)
    assert filing.names == ["dist/a_Workflow completed: failed_[2J"]
    assert [line for line in server.lines() if not line.isprintable()] == []


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
    home = workflow(tmp_path, "sleep 60", more="timeout-minutes: 0.01")
    (home / "dist").mkdir()
    (home / "dist/report.html").write_text("so far\n")  # by no step: how much one does in that time is the machine's
    await ran(desks)
    assert filing.names == ["dist/report.html"]
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
