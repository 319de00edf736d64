"""One deploy at a release, with names that nobody may find in what the parts show of themselves."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from deplite.kube.errors import NotFoundError
from deplite.resources import Agent, ApiToken, EnrollmentToken, Resource, Trigger
from deplite.resources.identifiers import object_id
from tests.chart.machine import machine
from tests.chart.running import PROCESSES, REPLICAS, Release, Samples
from tests.kube.serving import until

REF = "release/Odd_ref-4711"
AGENT = "Odd agent 4711"
WORKFLOW = "odd-workflow-4711"
TEXT = f'name: {WORKFLOW}\nsteps:\n  - name: odd-step-4711\n    run: echo "$DEPLITE_REF"\n'
AT = {"apiserver": REPLICAS[0], "operator": "operator"}
"""Which process of a part the deploy meets."""


@dataclass(frozen=True, kw_only=True)
class Deploy:
    """What became of one deploy, with all the words that nobody may find among the labels."""

    release: Release
    job_id: str
    token: str
    request_id: str
    before: dict[str, Samples]
    """What the processes had shown before it."""
    words: tuple[str, ...]
    log: Path
    """The agent's."""


class Declared:
    """An organization of the release, by manifests."""

    def __init__(self, release: Release, organization: str) -> None:
        self._kube, self._organization = release.kube, organization

    async def declare(self, kind: type[Resource], name: str, **spec: Any) -> None:
        """Make an object."""
        body = {"metadata": {"name": name, "namespace": self._organization}, "spec": spec}
        await self._kube.create(kind.model_validate(body))

    async def minted(self, secret: str) -> str:
        """Return the credential in a Secret, once the operator has put it there."""
        found: list[str] = []

        async def there() -> bool:
            with contextlib.suppress(NotFoundError):
                found.append((await self._kube.get_secret(self._organization, secret)).data["token"].decode())
            return bool(found)

        await until(there, True)
        return found[0]

    async def agent(self) -> Agent:
        """Return the agent, once its workflow is known."""
        found: list[Agent] = []

        async def reported() -> bool:
            found[:] = [one for one in await self._kube.list(Agent, self._organization) if one.status.workflows]
            return bool(found)

        await until(reported, True)
        return found[0]


@contextlib.asynccontextmanager
async def deployed(release: Release, organization: str, folder: Path) -> AsyncIterator[Deploy]:
    """Have everything declared, run one deploy to its end, and have some requests refused; the agent stays.

    All of it happens at one apiserver.
    """
    before, declared = {name: await release.samples(name) for name in PROCESSES}, Declared(release, organization)
    await declared.declare(EnrollmentToken, "odd-code-4711", secretName="odd-code-secret")
    code, own = await declared.minted("odd-code-secret"), {"DEPLITE_NAME": AGENT, "DEPLITE_LOG_FORMAT": "json"}
    async with machine(folder, release.urls[0], code, TEXT, **own):
        known = await declared.agent()
        trigger = object_id("tr", organization, "odd-trigger-4711")
        spec: dict[str, Any] = {"agent": known.name, "workflow": WORKFLOW, "allowedRefs": ["release/*"]}
        await declared.declare(Trigger, "odd-trigger-4711", **spec)
        grants = [{"type": "trigger", "triggers": ["odd-trigger-4711"]}]
        await declared.declare(ApiToken, "odd-token-4711", grants=grants, secretName="odd-token-secret")
        token, request_id = await declared.minted("odd-token-secret"), "odd-request-4711"
        async with httpx.AsyncClient(base_url=release.urls[0], trust_env=False, timeout=70) as http:
            job_id = await _run(http, trigger, token, request_id)
            await _ended(http, job_id, token)
            await _refused(http, trigger, token)
        ids = (job_id, trigger, object_id("ag", *known.key), object_id("tok", organization, "odd-token-4711"))
        yield Deploy(
            release=release,
            job_id=job_id,
            token=token,
            request_id=request_id,
            before=before,
            words=(*ids, token[:10], organization, known.name, AGENT, REF, WORKFLOW, "4711"),
            log=folder / "agent.log",
        )


async def _run(http: httpx.AsyncClient, trigger: str, token: str, request_id: str) -> str:
    """Run it, twice with the same key."""
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "odd-key-4711", "X-Request-Id": request_id}

    async def accepted() -> int:
        return (await http.post(f"/v1/triggers/{trigger}/run", json={"ref": REF}, headers=headers)).status_code

    await until(accepted, 202)  # the token may be in its Secret before its hash is known here
    answer = await http.post(f"/api/triggers/{trigger}/run", json={"ref": REF}, headers=headers)
    assert answer.json()["idempotent"]
    return str(answer.json()["jobId"])


async def _ended(http: httpx.AsyncClient, job_id: str, token: str) -> None:
    async def status() -> str:
        answer = await http.get(f"/jobs/{job_id}", headers={"Authorization": f"Bearer {token}"})
        return str(answer.json().get("status", answer.status_code))  # too many reads of a minute are refused

    await until(status, "success")
    answer = await http.get(f"/jobs/{job_id}/logs", headers={"Authorization": f"Bearer {token}"})
    assert REF in answer.text


async def _refused(http: httpx.AsyncClient, trigger: str, token: str) -> None:
    bearer = {"Authorization": f"Bearer {token}"}
    answers = await asyncio.gather(
        http.post(f"/triggers/{trigger}/run", json={"ref": "odd/4711"}, headers=bearer),
        http.get("/jobs/j-odd-4711", headers={"Authorization": "Bearer tk_odd4711"}),
        http.request("PROPFIND", "/odd/4711/path", headers=bearer),
        http.get("/metrics"),
    )
    found = [answer.status_code for answer in answers]
    assert found == [403, 401, 404, 404]
