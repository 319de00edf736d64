"""`python -m tests.node`, which `make node` and `make node-down` are, as a person types it."""

import asyncio
import json
import os
import random
import re
import sys
from pathlib import Path

import httpx
import pytest

from deplite.local.ports import is_free
from tests.node import web
from tests.node.commands import until
from tests.node.machine.first import ROOT
from tests.node.trace import Snapshot, processes_of

pytestmark = pytest.mark.usefixtures("archives")


async def typed(*words: str, given: str = "") -> tuple[int, str]:
    """Type a command; return how it ended and what it said."""
    child = await asyncio.create_subprocess_exec(
        *words,
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "KUBECONFIG"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await child.communicate(given.encode())
    return child.returncode or 0, said.decode()


async def test_up_status_down(tmp_path: Path) -> None:
    before, folder = Snapshot.take(), tmp_path / "node"
    port = next(port for port in random.sample(range(30000, 32768), 100) if is_free(port))
    command = (sys.executable, "-m", "tests.node")
    try:
        code, said = await typed(*command, "up", f"--folder={folder}", f"--port={port}")
        assert code == 0, said
        export = next(line for line in said.splitlines() if "export KUBECONFIG=" in line)
        kubectl = next(line for line in said.splitlines() if "kubectl get" in line)
        code, shown = await typed("bash", "-ec", f"{export}\n{kubectl}")
        assert re.search(r"node/node-1 +Ready ", shown), shown
        assert re.search(r"pod/coredns-\S+ +1/1 +Running ", shown), shown
        await serve(export, kubectl.split(" get ")[0], port)
        assert (await typed(*command, "up", f"--folder={folder}"))[0] == 1  # and what runs goes on
        code, shown = await typed(*command, "status", f"--folder={folder}")
        assert code == 0
        assert re.search(r"pod/web\S* +1/1 +Running ", shown), shown
    finally:
        code, said = await typed(*command, "down", f"--folder={folder}")
    assert (code, said) == (0, "")
    assert processes_of(folder) == os.listdir(tmp_path) == []
    assert Snapshot.take() == before
    assert (await typed(*command, "status", f"--folder={folder}"))[0] == 1
    assert await typed(*command, "down", f"--folder={folder}") == (0, "Nothing was running.\n")


async def serve(export: str, kubectl: str, port: int) -> None:
    """Have a pod of one of our images answer at the NodePort that leads to this machine."""
    service = web.service(type="NodePort")
    service["spec"]["ports"][0]["nodePort"] = port
    objects = {"apiVersion": "v1", "kind": "List", "items": [web.deployment(), service]}
    wait = f"{kubectl} rollout status deployment/web --timeout=4m"
    code, said = await typed("bash", "-ec", f"{export}\n{kubectl} apply -f -\n{wait}", given=json.dumps(objects))
    assert code == 0, said
    async with httpx.AsyncClient(trust_env=False) as client:

        async def answers() -> bool:
            try:
                return (await client.get(f"http://127.0.0.1:{port}")).text == "node-1"
            except httpx.TransportError:  # the machine has not heard of the Service yet
                return False

        await until(answers, "the answer at the node's port")
