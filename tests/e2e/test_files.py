"""Files through the real parts: artifacts of a job, `deplite files`, and that size costs no process memory."""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Deployment, deplite
from tests.e2e.memory import Peak, measured
from tests.e2e.running import owner, status, wait_for

MIB = 1024**2
ROOM = 16 * MIB
"""What buffers and connections of one transfer may take beyond what a process has anyway."""

SIZES = [
    pytest.param(64 * MIB, id="64MiB"),
    pytest.param(2048 * MIB, id="2GiB", marks=[pytest.mark.full, pytest.mark.timeout(1800)]),
]


@pytest.fixture
def client(deployment: Deployment) -> Iterator[httpx.Client]:
    with owner(deployment.data) as client:
        yield client


def files(deployment: Deployment, *arguments: str, **environment: str) -> str:
    done = deplite("files", *arguments, **deployment.environment, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def refused(deployment: Deployment, *arguments: str, **environment: str) -> str:
    """What a command says that fails: one sentence."""
    done = deplite("files", *arguments, **deployment.environment, **environment)
    assert done.returncode == 1, done.stdout
    assert len(done.stderr.splitlines()) == 1
    return done.stderr


def offer(client: httpx.Client, deployment: Deployment, name: str, text: str) -> str:
    """Put a workflow on the agent of this machine; returns a trigger for it."""
    agent = deployment.agent_id
    (deployment.data / "workflows" / f"{name}.yaml").write_text(text)
    reported = f"{deployment.url}/agents/{agent}/workflows"
    wait_for(lambda: any(one["name"] == name for one in client.get(reported).json()))
    body = {"agentId": agent, "name": name, "workflowName": name, "scopeType": "workflow"}
    return str(client.post("/triggers", json=body | {"type": "manual", "responseMode": "async"}).json()["id"])


def run(client: httpx.Client, deployment: Deployment, trigger: str, seconds: float = 120) -> dict[str, Any]:
    """Run a trigger to its end; returns the job's detail."""
    started = client.post(f"{deployment.url}/triggers/{trigger}/run-manual", json={})
    assert started.status_code == 202, started.text
    url = f"{deployment.url}/jobs/{started.json()['jobId']}"
    wait_for(lambda: client.get(url).json()["status"] in ("success", "failed"), seconds)
    detail: dict[str, Any] = client.get(url).json()
    return detail


def log(client: httpx.Client, deployment: Deployment, job: str) -> list[str]:
    return [item["content"] for item in client.get(f"{deployment.url}/jobs/{job}/logs").json()["items"]]


def large(path: Path, size: int) -> str:
    """Make a file with noise at its beginning, middle and end; returns its checksum."""
    with path.open("wb") as file:
        for place in (0, size // 2, size - MIB):
            file.seek(place)
            file.write(os.urandom(MIB))
    return sha(path)


def sha(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def test_a_job_shows_its_artifacts_and_they_come_down_as_they_were(
    client: httpx.Client, deployment: Deployment, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    noise = os.urandom(300_000)
    (home / "noise").write_bytes(noise)
    text = f"""
working-directory: {home}
artifacts: {{paths: ["dist/**", report.html], keep-days: 3}}
steps:
  - name: make
    run: mkdir -p dist/deep; cp noise dist/deep/app.tar.gz; touch dist/empty; echo "<p>Report</p>" > report.html; exit 3
"""
    detail = run(client, deployment, offer(client, deployment, "with-artifacts", text))
    assert (detail["status"], detail["exitCode"]) == ("failed", 3)
    shown = {entry["filename"]: entry for entry in detail["files"]}
    assert {name: entry["size"] for name, entry in shown.items()} == {
        "dist/deep/app.tar.gz": 300_000,
        "dist/empty": 0,
        "report.html": 14,
    }
    assert {entry["status"] for entry in shown.values()} == {"stored"}
    wait_for(lambda: "3 of 3 artifacts uploaded" in log(client, deployment, detail["id"]))
    meta = client.get(f"/files/{shown['report.html']['id']}").json()
    assert (meta["contentType"], meta["cleanupRule"], meta["jobId"]) == ("text/html", "ttl", detail["id"])

    files(deployment, "down", "dist/deep/app.tar.gz", "--job", detail["id"], "-o", str(tmp_path))
    assert (tmp_path / "app.tar.gz").read_bytes() == noise
    files(deployment, "down", shown["dist/empty"]["id"], "-o", str(tmp_path / "nothing"))
    assert (tmp_path / "nothing").read_bytes() == b""
    listed = json.loads(files(deployment, "list", "--job", detail["id"], "--output", "json"))
    assert {entry["id"] for entry in listed} == {entry["id"] for entry in shown.values()}
    logs = {path.name: path.read_text(errors="replace") for path in (deployment.data / "logs").glob("*.log")}
    assert "agent.log" in logs
    assert [name for name, text in logs.items() if "X-Amz-Signature" in text] == [], "addresses are credentials"


def test_what_a_workflow_may_not_upload_is_said_and_nothing_leaves(
    client: httpx.Client, deployment: Deployment, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("not for anybody")
    home = tmp_path / "home"
    home.mkdir()
    text = f"working-directory: {home}\nartifacts: ['*']\nsteps:\n  - {{name: leak, run: ln -sf ../secret leak}}\n"
    detail = run(client, deployment, offer(client, deployment, "leaks", text))
    assert detail["status"] == "success"
    assert detail["files"] == []
    said = "leads out of the working directory"
    wait_for(lambda: any(said in line for line in log(client, deployment, detail["id"])))


def test_files_go_up_are_listed_come_down_and_go(deployment: Deployment, tmp_path: Path) -> None:
    content = os.urandom(100_000)
    (tmp_path / "a b.bin").write_bytes(content)
    (tmp_path / "empty.txt").touch()
    said = files(deployment, "up", str(tmp_path / "a b.bin"), str(tmp_path / "empty.txt"), "--ttl", "2h")
    ids = [line.split()[0] for line in said.splitlines()]
    assert said.splitlines()[0] == f"{ids[0]}  a b.bin  97.7 KiB"
    table = files(deployment, "list", "--status", "stored")
    assert all(any(line.startswith(one) for line in table.splitlines()) for one in ids)
    assert "a b.bin" in table

    target = tmp_path / "down"
    target.mkdir()
    files(deployment, "down", "a b.bin", "-o", str(target))
    assert (target / "a b.bin").read_bytes() == content
    assert "is there already" in refused(deployment, "down", "a b.bin", "-o", str(target))
    files(deployment, "delete", *ids)
    assert "There is no such file" in refused(deployment, "down", ids[0])
    assert "There is no file named" in refused(deployment, "down", "a b.bin", "-o", str(target / "again"))


def test_an_api_token_moves_files_as_far_as_its_grant_goes(
    client: httpx.Client, deployment: Deployment, tmp_path: Path
) -> None:
    grant = {"type": "storage", "bindingIds": ["ci"], "permissions": ["read", "write"]}
    token = client.post("/api-tokens", json={"name": "ci", "scopes": [grant]}).json()["plainToken"]
    (tmp_path / "a.txt").write_text("a")
    (made,) = files(deployment, "up", str(tmp_path / "a.txt"), "--binding", "ci", DEPLITE_API_TOKEN=token).splitlines()
    listed = json.loads(files(deployment, "list", "--output", "json", DEPLITE_API_TOKEN=token))
    assert [entry["id"] for entry in listed] == [made.split()[0]]
    files(deployment, "down", "a.txt", "-o", str(tmp_path / "b.txt"), DEPLITE_API_TOKEN=token)
    assert (tmp_path / "b.txt").read_text() == "a"
    said = refused(deployment, "delete", made.split()[0], DEPLITE_API_TOKEN=token)
    assert "needs a `storage` grant with that permission" in said
    assert token not in said


def test_a_wrong_credential_says_what_to_do(deployment: Deployment) -> None:
    said = refused(deployment, "list", DEPLITE_API_TOKEN="tk_nobody")
    assert "get a new one" in said
    assert "Nobody answers" not in said


@pytest.mark.parametrize("size", SIZES)
def test_the_size_of_an_artifact_costs_agent_and_apiserver_no_memory(
    client: httpx.Client, deployment: Deployment, tmp_path: Path, size: int
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    checksum = large(home / "big.bin", size)
    text = f"working-directory: {home}\nartifacts: [big.bin]\nsteps:\n  - {{name: nothing, run: 'true'}}\n"
    trigger = offer(client, deployment, f"large-{size}", text)
    peaks = {part: Peak(status(deployment.data)[part]["pid"]) for part in ("agent", "apiserver")}
    detail = run(client, deployment, trigger, seconds=900)
    assert detail["status"] == "success"
    (entry,) = detail["files"]
    assert (entry["size"], entry["status"]) == (size, "stored")
    assert client.get(f"/files/{entry['id']}").json()["sha256"] == checksum
    grown = {part: peak.grown for part, peak in peaks.items()}
    print(f"grown by MiB: { {part: round(most / MIB, 1) for part, most in grown.items()} }")
    assert max(grown.values()) < ROOM
    files(deployment, "delete", entry["id"])
    (home / "big.bin").unlink()


@pytest.mark.parametrize("size", SIZES)
def test_the_size_of_a_file_costs_the_command_no_memory(deployment: Deployment, tmp_path: Path, size: int) -> None:
    checksum = large(tmp_path / "big.bin", size)
    apiserver = Peak(status(deployment.data)["apiserver"]["pid"])
    usual = measured(tmp_path, deployment.environment, "files", "list").peak
    up = measured(tmp_path, deployment.environment, "files", "up", str(tmp_path / "big.bin"))
    assert up.code == 0, up.output
    file_id = up.output.splitlines()[-1].split()[0]
    down = measured(tmp_path, deployment.environment, "files", "down", file_id, "-o", str(tmp_path / "back.bin"))
    assert down.code == 0, down.output
    assert sha(tmp_path / "back.bin") == checksum
    grown = {"up": up.peak - usual, "down": down.peak - usual, "apiserver": apiserver.grown}
    print(f"grown by MiB: { {what: round(most / MIB, 1) for what, most in grown.items()} }")
    assert max(grown.values()) < ROOM
    files(deployment, "delete", file_id)
    for name in ("big.bin", "back.bin"):
        (tmp_path / name).unlink()
