"""`deplite up --detach` as a user types it: what it shows, what it survives, and that nothing stays behind."""

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deplite.local import liveness
from tests.e2e.conftest import deplite, read_env
from tests.e2e.running import PARTS, owner, process_of, status, up, wait_for


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("own-up") / "data"
    yield folder
    deplite("down", "--data", str(folder))


def agents(data: Path) -> list[str]:
    with owner(data) as client:
        return [agent["id"] for agent in client.get("/agents").json()]


@pytest.fixture(scope="module")
def shown(data: Path) -> str:
    """What a first start prints, in a shell with a proxy that nothing on this machine must be asked through."""
    return up(data, **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9"))


def test_it_deploys_and_says_what_to_do_next(shown: str, data: Path) -> None:
    assert "success" in shown
    assert "replica 3 of 3: healthy" in shown
    env = read_env(data / "env")
    assert set(env) == {"DEPLITE_URL", "DEPLITE_ORG_ID", "DEPLITE_JWT", "KUBECONFIG"}
    assert all(value in shown for value in (env["DEPLITE_URL"], env["DEPLITE_ORG_ID"], env["DEPLITE_JWT"]))
    assert "kubectl get triggers,agents" in shown
    assert "deplite down" in shown


def test_the_secret_of_the_workflow_is_not_shown(shown: str, data: Path) -> None:
    assert (data / "secrets" / "DATABASE_URL").read_text().strip() not in shown


@pytest.mark.usefixtures("shown")
def test_every_part_is_in_the_status(data: Path) -> None:
    parts = status(data)
    assert set(parts) == PARTS
    for part in parts.values():
        assert set(part) == {"name", "pid", "address", "log", "restarts"}
        assert liveness.birth(part["pid"])
        assert Path(part["log"]).exists()
        assert part["restarts"] == 0
    assert httpx.get(f"{parts['apiserver']['address']}/readyz", timeout=60).status_code == 200


@pytest.mark.usefixtures("shown")
def test_all_of_it_is_private(data: Path) -> None:
    assert data.stat().st_mode & 0o777 == 0o700
    for name in ("env", "token", "kubeconfig", "issuer/key.pem", "accounts/deplite-apiserver.token"):
        assert (data / name).stat().st_mode & 0o777 == 0o600, name


@pytest.mark.usefixtures("shown")
def test_a_second_up_is_one_clear_sentence(data: Path) -> None:
    again = deplite("up", "--data", str(data))
    assert again.returncode == 1
    assert "already runs" in again.stderr
    assert len(again.stderr.splitlines()) == 1
    assert set(status(data)) == PARTS


def all_run(said: str) -> bool:
    """Whether the supervisor has started again whatever has ended."""
    last = dict(re.findall(r"(?!it )\b(\S+) (ended \(|is started again|runs again)", said))
    return set(last.values()) <= {"runs again"}


@pytest.mark.usefixtures("shown")
@pytest.mark.parametrize("name", sorted(PARTS))
def test_a_part_that_dies_is_started_again_and_that_is_said(name: str, data: Path) -> None:
    said = data / "logs" / "supervisor.log"
    wait_for(lambda: all_run(said.read_text()))  # what depends on the part before may have ended with it
    before = process_of(data, name)
    offset = len(said.read_text())
    os.kill(before["pid"], signal.SIGKILL)
    wait_for(lambda: f"{name} runs again" in said.read_text()[offset:])
    assert f"{name} ended (SIGKILL)" in said.read_text()[offset:]
    after = process_of(data, name)
    assert after["pid"] != before["pid"]
    assert after["restarts"] == before["restarts"] + 1


@pytest.mark.usefixtures("shown")
def test_down_leaves_no_process_and_the_next_up_goes_on_with_the_same_data(data: Path) -> None:
    enrolled, parts, env = agents(data), status(data), read_env(data / "env")
    stopped = deplite("down", "--data", str(data))
    assert stopped.returncode == 0, stopped.stdout + stopped.stderr
    assert [part["name"] for part in parts.values() if liveness.birth(part["pid"])] == []
    assert status(data) == {}

    shown_again = up(data)
    assert "success" in shown_again
    assert agents(data) == enrolled
    assert read_env(data / "env")["DEPLITE_URL"] == env["DEPLITE_URL"]
    with owner(data) as client:
        assert len(client.get("/triggers").json()) == 1
        assert len(client.get("/api-tokens").json()) == 1


@pytest.mark.usefixtures("shown")
def test_a_supervisor_that_is_killed_takes_all_with_it_and_up_goes_on(data: Path) -> None:
    parts = status(data)
    supervisor = json.loads((data / "state.json").read_text())["supervisor"]["pid"]
    os.kill(supervisor, signal.SIGKILL)
    wait_for(lambda: not any(liveness.birth(part["pid"]) for part in parts.values() if part["pid"]))
    assert "success" in up(data)
    assert set(status(data)) == PARTS
