"""One `deplite up` by its data folder: started, looked at, called as its owner."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.busy import Patient
from tests.e2e.conftest import deplite, read_env
from tests.plain import PLAIN

PARTS = {"etcd", "kube-apiserver", "kube-controller-manager", "seaweedfs", "operator", "apiserver", "agent"}


def status(data: Path) -> dict[str, dict[str, Any]]:
    shown = deplite("status", "--data", str(data), "--output", "json")
    return {part["name"]: part for part in json.loads(shown.stdout)["parts"]}


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.1)


def pid_of(data: Path, part: str) -> int:
    """Return the process of a part, once it has one: it may be being started again."""
    pid: int = process_of(data, part)["pid"]
    return pid


def process_of(data: Path, part: str) -> dict[str, Any]:
    """Return the status of a part that has a process."""
    found: dict[str, Any] = {}

    def runs() -> bool:
        found.update(status(data)[part])
        return found["pid"] is not None

    wait_for(runs)
    return found


def up(data: Path, **environment: str) -> str:
    done = deplite("up", "--detach", "--data", str(data), **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def owner(data: Path) -> httpx.Client:
    env = read_env(data / "env")
    return httpx.Client(
        base_url=f"{env['DEPLITE_URL']}/api/orgs/{env['DEPLITE_ORG_ID']}",
        headers={"Authorization": f"Bearer {env['DEPLITE_JWT']}"},
        timeout=70,
        transport=Patient(verify=PLAIN),
    )
