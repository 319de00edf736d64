"""Log lines of the parts as the chart has them run: each one a JSON object, with the ids of its request and its job."""

import json
from pathlib import Path
from typing import Any

from tests.chart.measured import AT, Deploy

PARTS = ("apiserver", "operator", "agent")


def log(deploy: Deploy, part: str) -> Path:
    """Return where a part of the deploy has written."""
    return deploy.log if part == "agent" else deploy.release.log(AT[part])


def lines(path: Path) -> list[dict[str, Any]]:
    """Return every line; whatever is not a JSON object fails here."""
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert all(isinstance(line, dict) for line in found)
    return found


def test_each_line_of_each_part_is_one_object_that_says_when_and_who(deploy: Deploy) -> None:
    for part in PARTS:
        found = lines(log(deploy, part))
        assert found, part
        for line in found:
            assert {"time", "level", "logger", "message"} <= line.keys()
            assert line["level"] in ("info", "warning", "error", "critical"), line


def test_each_request_has_a_line_with_its_id(deploy: Deploy) -> None:
    asked = [line for line in lines(log(deploy, "apiserver")) if line.get("action") == "request"]
    assert all(line["requestId"] for line in asked)
    assert {404, 403, 401, 202} <= {line["status"] for line in asked}
    runs = [line for line in asked if line["requestId"] == deploy.request_id and line["status"] == 202]
    assert {line["method"] for line in runs} == {"POST"}


def test_a_line_that_a_request_causes_has_its_id(deploy: Deploy) -> None:
    about = [line for line in lines(log(deploy, "apiserver")) if line.get("jobId") == deploy.job_id]
    assert [line["requestId"] for line in about if line.get("action") == "job_accepted"] == [deploy.request_id]


def test_lines_about_a_job_have_its_id_at_server_and_agent(deploy: Deploy) -> None:
    for part, least in (("apiserver", {"job_accepted", "job_sent", "request"}), ("agent", {"claimed", "ended"})):
        about = [line for line in lines(log(deploy, part)) if deploy.job_id in json.dumps(line)]
        assert all(line.get("jobId") == deploy.job_id for line in about), part
        assert {line.get("action") for line in about} >= least


def test_libraries_speak_in_the_same_form(deploy: Deploy) -> None:
    assert "uvicorn.error" in {line["logger"] for line in lines(log(deploy, "apiserver"))}


def test_no_line_holds_a_credential(deploy: Deploy) -> None:
    for part in PARTS:
        text = log(deploy, part).read_text()
        assert deploy.token not in text
        assert "enr_" not in text
