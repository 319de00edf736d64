"""The end of the real process, with hundreds of agents on its streams."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from deplite.kube.client import KubeClient
from deplite.local.ports import choose
from deplite.resources import Agent
from deplite.resources.identifiers import object_id
from deplite_apiserver.main import open_many_files
from deplite_apiserver.settings import Settings
from tests.published.agent import PublishedAgent

SECONDS = 120
"""For what takes ten seconds at most where nothing else runs on the machine."""


def environment(settings: Settings, port: int) -> dict[str, str]:
    s3 = settings.s3
    return {name: value for name, value in os.environ.items() if not name.startswith("DEPLITE_")} | {
        "KUBECONFIG": str(settings.kubeconfig),
        "DEPLITE_LISTEN": f"127.0.0.1:{port}",
        "DEPLITE_SYSTEM_NAMESPACE": settings.system_namespace,
        "DEPLITE_S3_ENDPOINT": s3.endpoint,
        "DEPLITE_S3_BUCKET": s3.bucket,
        "DEPLITE_S3_REGION": s3.region,
        "DEPLITE_S3_ACCESS_KEY_FILE": str(s3.access_key_file),
        "DEPLITE_S3_SECRET_KEY_FILE": str(s3.secret_key_file),
        "DEPLITE_LOG_FORMAT": "text",
    }


async def declare(kube: KubeClient, namespace: str, names: Iterable[str], public_key: str) -> None:
    """Make agents that all have one key."""
    room = asyncio.Semaphore(16)

    async def one(name: str) -> None:
        async with room:
            await kube.create(Agent.model_validate({"metadata": {"name": name, "namespace": namespace}}))
            # As connected ones: a thousand changes of state are no part of this test.
            await kube.patch_status(Agent, namespace, name, {"publicKey": public_key, "state": "Connected"})

    await asyncio.gather(*(one(name) for name in names))


async def ready(port: int) -> None:
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
                continue
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            head = await reader.readline()
            writer.close()
            if b" 200 " in head:
                return
            await asyncio.sleep(0.1)


async def stream(agent: PublishedAgent, agent_id: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open an agent's stream, and return the connection once it is open at the other end."""
    agent.agent_id = agent_id
    headers = agent.signed("GET", "/agent/stream", b"") | {"Host": "h"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /agent/stream HTTP/1.1\r\n{lines}\r\n".encode())
    await reader.readuntil(b": connected")
    return reader, writer


@pytest.mark.parametrize("agents", [250, pytest.param(1000, marks=pytest.mark.full)])
async def test_all_streams_end_cleanly_and_so_does_the_process(
    agents: int, settings: Settings, kube: KubeClient, organization: str, tmp_path: Path
) -> None:
    open_many_files()  # this process holds the other ends
    port, log = choose(["apiserver"], {})["apiserver"], tmp_path / "log"
    agent = PublishedAgent(f"http://127.0.0.1:{port}")
    names = [f"a-{number}" for number in range(agents)]
    await declare(kube, organization, names, agent.public_pem())
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "deplite_apiserver.main"), env=environment(settings, port), stdout=file, stderr=file
        )
    opened: list[Any] = []
    try:
        await ready(port)
        async with asyncio.timeout(SECONDS):
            for start in range(0, agents, 50):
                ids = [object_id("ag", organization, name) for name in names[start : start + 50]]
                opened += await asyncio.gather(*(stream(agent, one, port) for one in ids))
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(SECONDS):
            ends = await asyncio.gather(*(reader.read() for reader, _ in opened))
            code = await process.wait()
    finally:
        for _, writer in opened:
            writer.close()
        if process.returncode is None:
            process.kill()
            await process.wait()
        await agent.close()
    said = log.read_text()
    assert [end[-5:] for end in ends] == [b"0\r\n\r\n"] * agents, said[-2000:]
    assert code in (0, -signal.SIGTERM), said[-2000:]
    for trouble in ("graceful shutdown exceeded", "Traceback", "ERROR"):
        assert trouble not in said, said[-2000:]
