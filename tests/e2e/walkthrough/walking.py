"""The nine steps of the API documentation, walked with curl, letter by letter, against any installation."""

import json
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.e2e.conftest import ROOT, require
from tests.shell import BASH, Shell, opened

STEPS = (Path(__file__).parent / "steps.sh").read_text()


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where they are walked: the two hosts of the documentation, an organization and its owner's JWT."""

    app: str
    api: str
    organization: str
    jwt: str


@contextmanager
def opened_shell(folder: Path, api: str, argv: Sequence[str] = BASH, **more: str) -> Iterator[Shell]:
    """A shell on the machine of the agent, which is told to end with it.

    Args:
        folder: where it begins.
        api: where the agent connects to.
        argv: what starts it.
        more: more variables of its environment.
    """
    require("curl", "jq", "uuidgen")
    (folder / "deplite-agent").symlink_to(Path(sys.executable).parent / "deplite-agent")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DEPLITE_")} | {
        "DEPLITE_URL": api,
        "DEPLITE_STATE_DIR": str(folder / "state"),
        "DEPLITE_WORKFLOWS_DIR": str(ROOT / "examples" / "workflows"),
        **more,
    }
    with opened(argv, folder, environment) as shell:
        yield shell


def steps_at(place: Place) -> dict[int, str]:
    """Return the documented steps with nothing changed but hosts, organization and JWT; 0 is the preamble."""
    text = STEPS.replace("https://app.deplite.io", place.app).replace("https://api.deplite.io", place.api)
    text = text.replace('"org-abc"', f'"{place.organization}"').replace("<your-jwt>", place.jwt)
    parts = re.split(r"^# \[(\d)\]", text, flags=re.MULTILINE)
    return {0: parts[0]} | {int(number): "#" + body for number, body in zip(parts[1::2], parts[2::2], strict=True)}


def wait_for_enrolment(log: Path) -> str:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if log.exists() and (found := re.search(r"^Enrolled as agent (ag-[a-z0-9]+)$", log.read_text(), re.MULTILINE)):
            return found[1]
        time.sleep(0.05)
    raise AssertionError("the agent did not enrol: " + (log.read_text() if log.exists() else "no output"))


def walk(shell: Shell, folder: Path, place: Place) -> str:
    """Walk them all, and hold each answer against the documentation.

    Args:
        shell: one of `opened_shell`.
        folder: where it is.
        place: an organization that has no agent yet.

    Returns:
        The API token of step 6.
    """
    steps = steps_at(place)
    assert sorted(steps) == list(range(10))
    shell.type(steps[0])

    code = json.loads(shell.type(steps[1]))["token"]
    assert re.fullmatch(r"enr_[0-9A-Za-z]{36}", code)

    shell.type(steps[2].replace("enr_...", code).replace("./deplite-agent\n", "./deplite-agent >agent.log 2>&1 &\n"))
    agent_id = wait_for_enrolment(folder / "agent.log")

    assert shell.type(steps[3]) == f"Agent: {agent_id}"

    workflows = json.loads(shell.type(steps[4]))
    assert workflows[0]["name"] == "deploy-prod"
    assert workflows[0]["secretsKeys"] == ["DATABASE_URL"]

    trigger = shell.type(steps[5]).removeprefix("Trigger: ")
    assert re.fullmatch(r"tr-[a-z2-7]{16}", trigger)

    token = shell.type(steps[6]).removeprefix("Token: ").removesuffix(" (이 시점 외엔 복원 불가)")
    assert re.fullmatch(r"tk_[0-9A-Za-z]{36}", token)

    job = shell.type(steps[7]).removeprefix("Job: ")
    assert re.fullmatch(r"j-[a-z2-7]{26}", job)

    statuses = [line.strip().removeprefix("status: ") for line in shell.type(steps[8]).splitlines()]
    assert statuses[-1] == "success", statuses
    assert set(statuses[:-1]) <= {"queued", "running"}

    items = json.loads(shell.type(steps[9]))
    assert 1 <= len(items) <= 5

    check_job(read(shell, place, f"/api/jobs/{job}", token), job, agent_id)
    logs = whole_log(shell, place, job, token)
    check_logs(logs, items)
    placeholder = (ROOT / "examples" / "secrets" / "DATABASE_URL").read_text().strip()
    assert placeholder not in json.dumps(logs)
    return token


def read(shell: Shell, place: Place, path: str, token: str) -> dict[str, Any]:
    """Return what the holder of a token gets to read."""
    body: dict[str, Any] = json.loads(shell.type(f"curl -sf {place.app}{path} -H 'Authorization: Bearer {token}'"))
    return body


def whole_log(shell: Shell, place: Place, job: str, token: str) -> dict[str, Any]:
    """Return a log once its last line is there: a busy server may have heard of the end before that."""
    deadline = time.monotonic() + 60
    while True:
        logs = read(shell, place, f"/api/jobs/{job}/logs", token)
        if time.monotonic() > deadline or any("Workflow completed" in item["content"] for item in logs["items"]):
            return logs
        time.sleep(0.1)


def check_job(job: dict[str, Any], job_id: str, agent_id: str) -> None:
    """Every documented field of GET /api/jobs/:id has the documented type."""
    assert job["id"] == job_id
    assert job["agentId"] == agent_id
    assert job["workflowName"] == "deploy-prod"
    assert job["status"] == "success"
    assert job["ref"] == "main"
    assert job["debug"] is False
    assert job["exitCode"] == 0
    assert set(job["output"]) >= {"deployedRef", "url"}
    assert all(isinstance(value, str) for value in job["output"].values())
    moments = [datetime.strptime(job[field], "%Y-%m-%dT%H:%M:%SZ") for field in ("queuedAt", "startedAt", "finishedAt")]
    assert moments == sorted(moments)


def check_logs(logs: dict[str, Any], first: list[dict[str, Any]]) -> None:
    """Every documented field of GET /api/jobs/:id/logs, without a gap from 0 to `nextSeq`."""
    items = logs["items"]
    assert items[: len(first)] == first
    assert [item["seq"] for item in items] == list(range(logs["nextSeq"]))
    assert {item["stream"] for item in items} <= {"raw", "system", "summary"}
    assert all(isinstance(item["content"], str) and isinstance(item["stepName"], str) for item in items)
    assert all(item["level"] in {"info", "warn", "error"} for item in items if item["stream"] == "summary")
    last = items[-1]
    assert (last["stream"], last["stepName"], last["content"]) == ("summary", "", "Workflow completed: success")
