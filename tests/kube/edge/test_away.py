"""What callers are told while the Kubernetes API or the object store is away: 503, soon, and nothing that is not true.

The replica of these tests reaches both through proxies that refuse, or take everything and answer nothing.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite.resources import DeployJob
from deplite.resources.credentials import mint
from deplite_apiserver.settings import Settings, Waits
from tests.faults.proxy import FaultProxy
from tests.kube.edge.conftest import Organized, declare_people, organize
from tests.kube.edge.people import People
from tests.kube.serving import Replica, served, until
from tests.organizations import create_organization, delete_namespace

PATIENCE = 30.0
"""Seconds that a caller here waits: more than the three that are promised, fewer than our clients' usual time-outs."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A replica behind two proxies, and an organization with everything in it."""

    replica: Replica
    kube_proxy: FaultProxy
    store_proxy: FaultProxy
    http: httpx.AsyncClient
    home: Organized
    owner: dict[str, str]
    job_id: str

    @property
    def token(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.home.token}"}

    async def ready(self) -> int:
        return (await self.http.get("/readyz")).status_code

    async def run(self) -> httpx.Response:
        return await self.http.post(f"/triggers/{self.home.trigger_id}/run", headers=self.token)

    async def afresh(self) -> "Scene":
        """Wait until all is well, and return the scene with a job that nobody has claimed."""
        await until(self.ready, 200)
        jobs: list[str] = []

        async def ran() -> int:
            answer = await self.run()
            jobs.append(answer.json().get("jobId", ""))
            return answer.status_code

        await until(ran, 202)  # a machine that stands still for some seconds gets the 503 of these tests' short waits
        return replace(self, job_id=jobs[-1])


@pytest_asyncio.fixture(scope="module")
async def scene(settings: Settings, kube: KubeClient, people: People, tmp_path_factory: Any) -> AsyncIterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("away")
    owner = {"Authorization": f"Bearer {people.token('olga')}"}
    assert settings.kubeconfig is not None
    async with contextlib.AsyncExitStack() as stack:
        kube_proxy = await stack.enter_async_context(FaultProxy(urlsplit(kube.connection.host).port or 0))
        store_proxy = await stack.enter_async_context(FaultProxy(urlsplit(settings.s3.endpoint).port or 0))
        config = settings.kubeconfig.read_text()
        assert kube.connection.host in config
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(config.replace(kube.connection.host, f"https://127.0.0.1:{kube_proxy.port}"))
        s3 = settings.s3.model_copy(update={"endpoint": store_proxy.url})
        behind = settings.model_copy(update={"kubeconfig": kubeconfig, "s3": s3, "waits": Waits()})
        replica = await stack.enter_async_context(served(behind))
        http = await stack.enter_async_context(
            httpx.AsyncClient(base_url=replica.base, trust_env=False, timeout=PATIENCE)
        )
        namespace = f"org-{secrets.token_hex(5)}"
        await create_organization(kube, namespace)
        await declare_people(kube, namespace, olga="owner")
        async with served(settings) as patient, patient.client() as calls:
            home = await organize(kube, namespace, patient.base, calls, owner)
        home.agent.base = replica.base
        home.agent.http.timeout = httpx.Timeout(PATIENCE)
        yield Scene(
            replica=replica,
            kube_proxy=kube_proxy,
            store_proxy=store_proxy,
            http=http,
            home=home,
            owner=owner,
            job_id="j-none",
        )
        await home.agent.close()
        await delete_namespace(kube, namespace)


@contextlib.asynccontextmanager
async def away(proxy: FaultProxy, how: str) -> AsyncIterator[None]:
    """Let what is behind a proxy be away in one of two ways while the block runs."""
    if how == "refused":
        await proxy.refuse()
    else:
        proxy.fall_silent()
    try:
        yield
    finally:
        await proxy.accept()
        proxy.speak()
        proxy.cut()


async def of_people(scene: Scene) -> list[httpx.Response]:
    home, agent = scene.home, scene.home.agent.agent_id
    trigger, org = f"/triggers/{home.trigger_id}", f"/orgs/{home.namespace}"
    calls: list[tuple[str, str, Any]] = [
        ("POST", f"{org}/triggers", {"agentId": agent, "name": "New", "workflowName": "deploy-prod"}),
        ("PATCH", trigger, {"suspended": False}),
        ("DELETE", trigger, None),
        ("POST", f"{trigger}/run-manual", None),
        ("GET", f"/jobs/{scene.job_id}", None),
        ("GET", f"/jobs/{scene.job_id}/logs", None),
        ("POST", f"/jobs/{scene.job_id}/cancel", None),
        ("POST", f"/jobs/{scene.job_id}/rerun", None),
        ("POST", f"{org}/api-tokens", {"name": "n", "scopeType": "agent", "agentIds": [agent]}),
        ("DELETE", f"{org}/api-tokens/{home.token_id}", None),
        ("POST", f"{org}/agents/enroll-tokens", {}),
        ("DELETE", f"{org}/agents/enroll-tokens/{home.code_id}", None),
        ("PATCH", f"/agents/{agent}", {"name": "other"}),
        ("DELETE", f"/agents/{agent}", None),
        ("PATCH", f"/agents/{agent}/workflows/deploy-prod/rate-limit", {"perMinute": 5}),
        ("POST", f"{org}/files/presign-upload", {}),
        ("POST", f"{org}/files/{home.file_id}/complete", None),
        ("GET", f"{org}/files/{home.file_id}/download-url", None),
        ("DELETE", f"{org}/files/{home.file_id}", None),
        ("GET", f"{org}/files/f-aaaaaaaaaaaaaaaa", None),
        ("GET", "/triggers/tr-aaaaaaaaaaaaaaaa", None),  # it may have been made a moment ago
    ]
    forced = {("PATCH", trigger), ("DELETE", trigger), ("DELETE", f"{org}/api-tokens/{home.token_id}")}
    forced |= {("DELETE", f"{org}/agents/enroll-tokens/{home.code_id}"), ("PATCH", f"/agents/{agent}")}
    forced |= {("PATCH", f"/agents/{agent}/workflows/deploy-prod/rate-limit")}
    asked = [
        scene.http.request(
            method,
            path,
            json=body,
            headers=scene.owner,
            params={"force": "true"} if (method, path) in forced else None,
        )
        for method, path, body in calls
    ]
    return await asyncio.gather(*asked)


async def of_tokens_and_agents(scene: Scene) -> list[httpx.Response]:
    agent, job = scene.home.agent, f"/agent/jobs/{scene.job_id}"
    fresh = {"Authorization": f"Bearer {mint('tk').plain}"}
    code = {"Authorization": f"Bearer {mint('enr').plain}"}
    enrolling = {"name": "n", "publicKey": agent.public_pem()}
    return await asyncio.gather(
        scene.run(),
        scene.http.get(f"/jobs/{scene.job_id}", headers=scene.token),
        scene.http.get("/token", headers=fresh),
        scene.http.post("/storage/files/presign-upload", headers=scene.token),
        scene.http.post(f"/storage/files/{scene.home.file_id}/complete", headers=scene.token),
        scene.http.get(f"/storage/files/{scene.home.file_id}/download-url", headers=scene.token),
        scene.http.delete(f"/storage/files/{scene.home.file_id}", headers=scene.token),
        scene.http.post("/agent/enroll", json=enrolling, headers=code),
        agent.call("PATCH", "/agent/identity", {"hostname": "h"}),
        agent.call("POST", "/agent/workflows/report", {"workflows": [{"name": "deploy-prod"}]}),
        agent.call("POST", f"{job}/result", {"status": "running"}),
        agent.call("POST", f"{job}/logs", {"items": []}),
        agent.call("POST", f"{job}/files/presign-upload"),
    )


def unavailable(answer: httpx.Response, code: str = "unavailable") -> None:
    body = answer.json()
    shown = f"{answer.request.method} {answer.request.url.path}: {answer.text}"
    assert (answer.status_code, body["code"]) == (503, code), shown
    assert int(answer.headers["Retry-After"]) == body["retryAfter"] >= 1, shown


@pytest.mark.parametrize("how", ["refused", "silent"])
@pytest.mark.parametrize("ask", [of_people, of_tokens_and_agents])
async def test_without_the_kubernetes_api_every_route_that_needs_it_says_so(
    scene: Scene, how: str, ask: Callable[[Scene], Awaitable[list[httpx.Response]]]
) -> None:
    scene = await scene.afresh()
    async with away(scene.kube_proxy, how):
        for answer in await ask(scene):
            unavailable(answer)
        assert (await scene.http.get("/livez")).status_code == 200
        # What is known goes on being told.
        assert (await scene.http.get("/token", headers=scene.token)).status_code == 200
        assert (await scene.http.get(f"/triggers/{scene.home.trigger_id}", headers=scene.owner)).status_code == 200
        assert (await scene.home.agent.call("POST", "/agent/heartbeat")).status_code == 204


async def test_it_is_not_ready_meanwhile_and_comes_back_by_itself(scene: Scene) -> None:
    await until(scene.ready, 200)
    async with away(scene.kube_proxy, "refused"):
        await until(scene.ready, 503)
        assert (await scene.http.get("/livez")).status_code == 200
        before = await scene.home.kube.list(DeployJob, scene.home.namespace)
    await until(scene.ready, 200)
    ran = await scene.run()
    assert ran.status_code == 202, ran.text
    after = await scene.home.kube.list(DeployJob, scene.home.namespace)
    assert {job.name for job in after} - {job.name for job in before} == {ran.json()["jobId"]}


@pytest.mark.parametrize("how", ["refused", "silent"])
async def test_without_the_object_store_logs_wait_and_runs_do_not(scene: Scene, how: str) -> None:
    scene = await scene.afresh()
    line = {"seq": 0, "stream": "raw", "content": how}
    path = f"/agent/jobs/{scene.job_id}/logs"
    async with away(scene.store_proxy, how):
        for answer in (
            await scene.http.get(f"/jobs/{scene.job_id}/logs", headers=scene.token),
            await scene.home.agent.call("POST", path, {"items": [line]}),
            await scene.http.get("/jobs/j-" + "a" * 26, headers=scene.token),  # it may be in the archive
        ):
            unavailable(answer, "storage_unavailable")
        assert (await scene.run()).status_code == 202
        assert await scene.ready() == 200
        assert (await scene.http.get(f"/jobs/{scene.job_id}", headers=scene.token)).status_code == 200

    async def taken() -> int:
        return (await scene.home.agent.call("POST", path, {"items": [line]})).status_code

    await until(taken, 200)
    shown = (await scene.http.get(f"/jobs/{scene.job_id}/logs", headers=scene.token)).json()
    assert [item["content"] for item in shown["items"]] == [how]


class Counting(FaultProxy):
    """Takes connections, and cuts each at once."""

    connections = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.transport.abort()


async def test_an_api_server_that_cuts_every_connection_is_not_stormed(scene: Scene) -> None:
    await until(scene.ready, 200)
    port = scene.kube_proxy.port
    await scene.kube_proxy.refuse()
    counting = Counting(0)
    counting.port = port
    try:
        await counting.accept()
        await until(scene.ready, 503)
        await asyncio.sleep(8)
        assert counting.connections <= 160  # the first waits are short ones; how it goes on is what counts
        counting.connections, began = 0, asyncio.get_running_loop().time()
        await asyncio.sleep(10)
        seconds = asyncio.get_running_loop().time() - began
        await counting.refuse()
    finally:
        await scene.kube_proxy.accept()
    assert 0 < counting.connections <= 5 * seconds
    await until(scene.ready, 200)
