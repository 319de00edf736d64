"""Both parts as processes, with the settings that the chart renders for their pods, and an agent that deploys."""

import asyncio
import contextlib
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from deplite.kube.client import KubeClient
from deplite.kube.errors import NotFoundError
from deplite.local.accounts import Account
from deplite.local.objectstore import ObjectStore
from deplite.local.ports import choose
from deplite.local.probe import ask_port
from deplite.local.process import Process, Program, clean_environment
from deplite.resources import Agent, ApiToken, EnrollmentToken, Resource, Trigger
from deplite.resources.identifiers import object_id
from tests.chart.chart import Helm, Object, environment, pods
from tests.chart.pods import mounted
from tests.kube.serving import until
from tests.organizations import create_organization, delete_namespace
from tests.valkey import Valkey

REF = "release/Odd_ref-4711"
AGENT = "Odd agent 4711"
WORKFLOW = "odd-workflow-4711"
TEXT = f'name: {WORKFLOW}\nsteps:\n  - name: odd-step-4711\n    run: echo "$DEPLITE_REF"\n'

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
"""Value by name and labels."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What runs, and where."""

    kube: KubeClient
    organization: str
    folder: Path
    ports: dict[str, int]

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.ports['apiserver']}"

    def log(self, part: str) -> Path:
        return self.folder / f"{part}.log"

    async def declare(self, kind: type[Resource], name: str, **spec: Any) -> None:
        body = {"metadata": {"name": name, "namespace": self.organization}, "spec": spec}
        await self.kube.create(kind.model_validate(body))

    async def minted(self, secret: str) -> str:
        """Return the credential in a Secret, once the operator has put it there."""
        found: list[str] = []

        async def there() -> bool:
            with contextlib.suppress(NotFoundError):
                found.append((await self.kube.get_secret(self.organization, secret)).data["token"].decode())
            return bool(found)

        await until(there, True)
        return found[0]

    async def scrape(self, part: str, accept: str = "text/plain") -> str:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            url = f"http://127.0.0.1:{self.ports[f'{part}-metrics']}/metrics"
            answer = await client.get(url, headers={"Accept": accept})
        assert answer.status_code == 200
        return answer.text

    async def samples(self, part: str) -> Samples:
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(await self.scrape(part))
            for sample in family.samples
        }


@dataclass(frozen=True, kw_only=True)
class Deploy:
    """What became of one deploy, with all the words that nobody may find among the labels."""

    parts: Parts
    job_id: str
    agent_id: str
    token: str
    request_id: str
    before: dict[str, Samples]
    words: tuple[str, ...]


@contextlib.asynccontextmanager
async def started(
    helm: Helm, accounts: dict[str, Account], kube: KubeClient, store: ObjectStore, valkey: Valkey, folder: Path
) -> AsyncIterator[Parts]:
    """Run both parts."""
    objects = await _rendered(helm, store, valkey)
    ports = choose(["apiserver", "apiserver-metrics", "operator", "operator-metrics"], {})
    organization = f"org-{secrets.token_hex(5)}"
    await create_organization(kube, organization)
    files = {
        "s3/access-key": store.access_key_file,
        "s3/secret-key": store.secret_key_file,
        "redis/password": valkey.password_file,
    }
    settings = {
        "apiserver": mounted(objects, folder / "settings", files) | {"DEPLITE_LISTEN": _here(ports["apiserver"])},
        "operator": environment(pods(objects)["deplite-operator"]) | {"DEPLITE_PROBE_LISTEN": _here(ports["operator"])},
    }
    running = []
    try:
        for part, given in settings.items():
            given |= {
                "KUBECONFIG": str(accounts[part].kubeconfig),
                "DEPLITE_METRICS_LISTEN": _here(ports[f"{part}-metrics"]),
            }
            running.append(await Process.start(_program(part, folder, given, _ready(ports[part]))))
        for process in running:
            await process.wait_ready(120)
        yield Parts(kube=kube, organization=organization, folder=folder, ports=ports)
    finally:
        for process in running:
            await process.stop()
        await delete_namespace(kube, organization)


async def _rendered(helm: Helm, store: ObjectStore, valkey: Valkey) -> list[Object]:
    said = {
        "s3.endpoint": store.endpoint,
        "s3.existingSecret.name": "s3",
        "redis.url": valkey.settings.url,
        "redis.existingSecret.name": "redis",
        "apiserver.replicas": "2",
    }
    return await helm.template(*(word for name, value in said.items() for word in ("--set", f"{name}={value}")))


def _here(port: int) -> str:
    return f"127.0.0.1:{port}"


def _ready(port: int) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        return (await ask_port(port, "/readyz")).status == 200

    return ready


def _program(part: str, folder: Path, given: dict[str, str], ready: Callable[[], Awaitable[bool]]) -> Program:
    return Program(
        name=f"measured-{part}",
        argv=(sys.executable, "-P", "-m", f"deplite_{part}.main"),
        cwd=folder,
        env=clean_environment(**given),
        log=folder / f"{part}.log",
        ready=ready,
    )


@contextlib.asynccontextmanager
async def agent(parts: Parts, code: str) -> AsyncIterator[Agent]:
    """Run our agent, and yield its object once its workflow is known."""
    workflows = parts.folder / "workflows"
    workflows.mkdir()
    (workflows / "odd.yaml").write_text(TEXT)
    given = {
        "DEPLITE_URL": parts.base,
        "DEPLITE_TOKEN": code,
        "DEPLITE_NAME": AGENT,
        "DEPLITE_STATE_DIR": str(parts.folder / "agent"),
        "DEPLITE_WORKFLOWS_DIR": str(workflows),
        "DEPLITE_LOG_FORMAT": "json",
    }
    found: list[Agent] = []

    async def reported() -> bool:
        found[:] = [one for one in await parts.kube.list(Agent, parts.organization) if one.status.workflows]
        return bool(found)

    process = await Process.start(_program("agent", parts.folder, given, reported))
    try:
        await process.wait_ready(120)
        yield found[0]
    finally:
        await process.stop()


@contextlib.asynccontextmanager
async def deployed(parts: Parts) -> AsyncIterator[Deploy]:
    """Have everything declared, run one deploy to its end, and have some requests refused; the agent stays."""
    before = {part: await parts.samples(part) for part in ("apiserver", "operator")}
    await parts.declare(EnrollmentToken, "odd-code-4711", secretName="odd-code-secret")
    async with agent(parts, await parts.minted("odd-code-secret")) as known:
        trigger = object_id("tr", parts.organization, "odd-trigger-4711")
        spec: dict[str, Any] = {"agent": known.name, "workflow": WORKFLOW, "allowedRefs": ["release/*"]}
        await parts.declare(Trigger, "odd-trigger-4711", **spec)
        grants = [{"type": "trigger", "triggers": ["odd-trigger-4711"]}]
        await parts.declare(ApiToken, "odd-token-4711", grants=grants, secretName="odd-token-secret")
        token, request_id = await parts.minted("odd-token-secret"), "odd-request-4711"
        async with httpx.AsyncClient(base_url=parts.base, trust_env=False, timeout=70) as http:
            job_id = await _run(http, trigger, token, request_id)
            await _ended(http, job_id, token)
            await _refused(http, trigger, token)
        ids = [job_id, trigger, object_id("ag", *known.key), object_id("tok", parts.organization, "odd-token-4711")]
        yield Deploy(
            parts=parts,
            job_id=job_id,
            agent_id=ids[2],
            token=token,
            request_id=request_id,
            before=before,
            words=(*ids, token[:10], parts.organization, known.name, AGENT, REF, WORKFLOW, "4711"),
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
        return str(answer.json()["status"])

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
