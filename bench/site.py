"""One `deplite up` for a run: an agent that is connected, and another that is known and away."""

import asyncio
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from bench.starts import Starts

_BIN = Path(sys.executable).parent
WORKFLOW = """
name: started
steps:
  - name: started
    run: echo "$DEPLITE_JOB_ID" > {fifo}
"""
"""All that its one step does is to say that it runs."""
_ROOM = {"DEPLITE_MAX_OBJECTS": "100000", "DEPLITE_MAX_UNFINISHED_JOBS": "1000000"}
"""The bounds of an organization are not what is measured."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """A running installation, and the HTTP session that calls it."""

    data: Path
    url: str
    organization: str
    jwt: str
    kubeconfig: Path
    starts: Starts
    http: aiohttp.ClientSession
    online: str
    """The id of the agent that is connected."""
    away: str
    """The id of the agent that has enrolled and reported its workflow, and was stopped."""

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Call as the owner, below the organization."""
        headers = {"Authorization": f"Bearer {self.jwt}"}
        url = f"{self.url}/orgs/{self.organization}{path}"
        async with self.http.request(method, url, json=body, headers=headers) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()

    async def webhook(self, agent: str) -> tuple[str, str]:
        """Make a trigger on an agent's workflow; return the webhook's URL and a token that may call it."""
        trigger = {"agentId": agent, "name": "bench", "workflowName": "started", "scopeType": "workflow"}
        made = await self.ask("POST", "/triggers", trigger | {"type": "webhook", "responseMode": "async"})
        token = {"name": "bench", "scopeType": "trigger", "triggerIds": [made["id"]]}
        plain: str = (await self.ask("POST", "/api-tokens", token))["plainToken"]
        return f"{self.url}/triggers/{made['id']}/run", plain


@asynccontextmanager
async def running(replicas: int = 1) -> AsyncIterator[Site]:
    """Start everything, with so many apiservers, in an empty folder, and leave nothing behind."""
    folder = Path(tempfile.mkdtemp(prefix="deplite-bench-"))
    data = folder / "data"
    (data / "workflows").mkdir(parents=True)
    starts = Starts(folder / "starts")
    (data / "workflows" / "started.yaml").write_text(WORKFLOW.format(fifo=starts.path))
    try:
        await _run(str(_BIN / "deplite"), "up", "--detach", "--data", str(data), "--replicas", str(replicas))
        env = dict(re.findall(r"^export (\w+)=(.*)$", (data / "env").read_text(), re.MULTILINE))
        url, organization, jwt = env["DEPLITE_URL"], env["DEPLITE_ORG_ID"], env["DEPLITE_JWT"]
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
            site = Site(
                data=data,
                url=url,
                organization=organization,
                jwt=jwt,
                kubeconfig=data / "kubeconfig",
                starts=starts,
                http=http,
                online=json.loads(await _get(http, f"{url}/orgs/{organization}/agents", jwt))[0]["id"],
                away=await _enrolled_and_gone(http, url, organization, jwt, folder, data / "workflows"),
            )
            yield site
    finally:
        await _run(str(_BIN / "deplite"), "down", "--data", str(data))
        starts.close()
        shutil.rmtree(folder)


async def _enrolled_and_gone(
    http: aiohttp.ClientSession, url: str, organization: str, jwt: str, folder: Path, workflows: Path
) -> str:
    path = f"{url}/orgs/{organization}/agents/enroll-tokens"
    async with http.post(path, json={"label": "away"}, headers={"Authorization": f"Bearer {jwt}"}) as answer:
        code = (await answer.json())["token"]
    environment = os.environ | {
        "DEPLITE_URL": url,
        "DEPLITE_TOKEN": code,
        "DEPLITE_STATE_DIR": str(folder / "away"),
        "DEPLITE_WORKFLOWS_DIR": str(workflows),
    }
    agent = await asyncio.create_subprocess_exec(
        str(_BIN / "deplite-agent"),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert agent.stdout is not None
    said = ""
    while (found := re.search(r"Enrolled as agent (ag-[a-z2-7]+)", said)) is None:
        line = (await agent.stdout.readline()).decode()
        assert line, said
        said += line
    agent.terminate()
    await agent.communicate()
    return found[1]


async def _get(http: aiohttp.ClientSession, url: str, jwt: str) -> str:
    async with http.get(url, headers={"Authorization": f"Bearer {jwt}"}) as answer:
        return await answer.text()


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, env=os.environ | _ROOM, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
