"""`deplite up --replicas 2 --detach` as a user types it: one address for both apiservers, and one of them is enough."""

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from deplite.local import liveness
from tests.e2e.conftest import Deployment, deplite, deployed
from tests.e2e.running import PARTS, owner, pid_of, status, wait_for
from tests.e2e.walkthrough import test_walkthrough as walkthrough

REPLICAS = ("apiserver-1", "apiserver-2")
ALL = PARTS - {"apiserver"} | {*REPLICAS, "valkey"}


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed(tmp_path_factory.mktemp("replicas-up"), "--replicas", "2") as made:
        yield made


def test_status_shows_both_and_their_valkey(deployment: Deployment) -> None:
    parts = status(deployment.data)
    assert set(parts) == ALL
    addresses = [parts[name]["address"] for name in (*REPLICAS, "valkey")]
    assert len({*addresses, deployment.url}) == 4
    for address in (*addresses[:2], deployment.url):
        assert httpx.get(f"{address}/readyz", timeout=60).status_code == 200
    table = deplite("status", "--data", str(deployment.data)).stdout
    for name, address in zip((*REPLICAS, "valkey"), addresses, strict=True):
        (line,) = [line for line in table.splitlines() if line.startswith(f"{name} ")]
        assert address in line


def test_the_documented_steps_work_through_the_one_address(
    tmp_path: Path,
    deployment: Deployment,
    new_organization: str,
) -> None:
    walkthrough.test_the_nine_steps(0, tmp_path, deployment, new_organization)


@pytest.mark.parametrize("name", REPLICAS)
def test_one_is_killed_and_the_other_serves(name: str, deployment: Deployment) -> None:
    pid, before = pid_of(deployment.data, name), status(deployment.data)
    with owner(deployment.data) as client:
        trigger = client.get("/triggers").json()[0]["id"]
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not liveness.birth(pid))
        fired = _fired(client, f"{deployment.url}/triggers/{trigger}/run-manual", f"without-{name}")
        assert fired.status_code in (200, 202), fired.text
        job = f"{deployment.url}/jobs/{fired.json()['jobId']}"
        wait_for(lambda: client.get(job).json()["status"] == "success")
    wait_for(lambda: status(deployment.data)[name]["restarts"] == before[name]["restarts"] + 1)
    assert pid_of(deployment.data, name) != pid
    after = status(deployment.data)
    assert {other: after[other]["pid"] for other in ALL - {name}} == {
        other: before[other]["pid"] for other in ALL - {name}
    }
    wait_for(lambda: _ready(after[name]["address"]))


def test_down_leaves_nothing(deployment: Deployment) -> None:
    parts = status(deployment.data)
    stopped = deplite("down", "--data", str(deployment.data))
    assert stopped.returncode == 0, stopped.stdout + stopped.stderr
    assert [part["name"] for part in parts.values() if liveness.birth(part["pid"])] == []
    assert status(deployment.data) == {}
    for address in (deployment.url, *(parts[name]["address"] for name in (*REPLICAS, "valkey"))):
        where = urlsplit(address)
        with socket.socket() as probe:
            assert probe.connect_ex((where.hostname or "", where.port or 0)) != 0, address


def _fired(client: httpx.Client, url: str, key: str) -> httpx.Response:
    """Run until there is an answer: a connection that the killed one took along is none, and the key stays the same."""
    answers: list[httpx.Response] = []

    def answered() -> bool:
        with contextlib.suppress(httpx.TransportError):
            answers.append(client.post(url, json={"ref": "main"}, headers={"Idempotency-Key": key}))
        return bool(answers)

    wait_for(answered)
    return answers[0]


def _ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz", timeout=60).status_code == 200
    except httpx.TransportError:
        return False
