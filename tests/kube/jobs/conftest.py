"""One replica of the apiserver for each test module, in this process, on the real API server and object store."""

import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite.local.controlplane import ControlPlane
from deplite.local.objectstore import ObjectStore
from deplite.resources import Agent, ApiToken, EnrollmentToken, Trigger
from deplite.resources.credentials import describe, mint
from deplite.resources.identifiers import object_id
from deplite_apiserver.settings import S3Settings, Settings
from tests.kube.serving import Replica, served
from tests.organizations import SYSTEM_NAMESPACE
from tests.published.agent import PublishedAgent

WORKFLOW: dict[str, Any] = {
    "name": "deploy-prod",
    "params": [{"name": "replicas", "type": "number", "default": 2, "min": 1, "max": 20}],
}


@dataclass(frozen=True, kw_only=True)
class Bench:
    """An organization with an enrolled agent, a trigger and a token that may run it."""

    replica: Replica
    kube: KubeClient
    namespace: str
    agent: PublishedAgent
    agent_name: str
    trigger: Trigger
    token: str
    http: httpx.AsyncClient

    @property
    def trigger_id(self) -> str:
        return object_id("tr", self.namespace, self.trigger.name)

    async def run(self, body: Any = None, *, key: str | None = None, token: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token or self.token}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        path = f"/triggers/{self.trigger_id}/run"
        return await self.http.post(path, json={"ref": "main"} if body is None else body, headers=headers)

    async def get(self, path: str) -> httpx.Response:
        return await self.http.get(path, headers={"Authorization": f"Bearer {self.token}"})


@pytest_asyncio.fixture(scope="session")
async def settings(control_plane: ControlPlane, kube: KubeClient, object_store: ObjectStore) -> Settings:
    with contextlib.suppress(Exception):
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM_NAMESPACE}}
        await kube.connection.request("POST", "/api/v1/namespaces", body=namespace)
    return Settings(
        kubeconfig=control_plane.kubeconfig,
        system_namespace=SYSTEM_NAMESPACE,
        s3=S3Settings(
            endpoint=object_store.endpoint,
            bucket=object_store.bucket,
            region=object_store.region,
            access_key_file=object_store.access_key_file,
            secret_key_file=object_store.secret_key_file,
        ),
    )


@pytest_asyncio.fixture(scope="module")
async def replica(settings: Settings) -> AsyncIterator[Replica]:
    async with served(settings) as running:
        yield running


async def make_token(kube: KubeClient, namespace: str, name: str, **spec: Any) -> str:
    """Create an API token, and return its plain text."""
    credential = mint("tk")
    made = ApiToken.model_validate({"metadata": {"name": name, "namespace": namespace}, "spec": spec})
    await kube.create(made)
    hashes = [{"sha256": credential.sha256, "prefix": credential.prefix}]
    await kube.patch_status(ApiToken, namespace, name, {"hashes": hashes})
    return credential.plain


async def enroll(kube: KubeClient, namespace: str, base: str) -> PublishedAgent:
    """Enrol an agent that nobody here wrote, and have it report its workflow."""
    code = mint("enr")
    name = f"code-{secrets.token_hex(4)}"
    await kube.create(EnrollmentToken.model_validate({"metadata": {"name": name, "namespace": namespace}, "spec": {}}))
    status = {"hash": describe(code.plain).sha256, "prefix": code.prefix, "expiresAt": "2099-01-01T00:00:00Z"}
    await kube.patch_status(EnrollmentToken, namespace, name, status)
    agent = PublishedAgent(base)
    answer = await agent.enroll(code.plain)
    assert answer.status_code in (200, 201), answer.text
    answer = await agent.call("POST", "/agent/workflows/report", {"workflows": [WORKFLOW]})
    assert answer.status_code == 200, answer.text
    return agent


async def agent_name(kube: KubeClient, namespace: str, agent_id: str) -> str:
    found = await kube.list(Agent, namespace)
    return next(one.name for one in found if object_id("ag", *one.key) == agent_id)


@pytest_asyncio.fixture
async def bench(kube: KubeClient, organization: str, replica: Replica) -> AsyncIterator[Bench]:
    agent = await enroll(kube, organization, replica.base)
    name = await agent_name(kube, organization, agent.agent_id)
    spec = {"agent": name, "workflow": "deploy-prod", "allowedRefs": ["main", "release/*"]}
    trigger = await kube.create(
        Trigger.model_validate({"metadata": {"name": "deploy", "namespace": organization}, "spec": spec})
    )
    token = await make_token(kube, organization, "ci", grants=[{"type": "trigger", "triggers": ["deploy"]}])
    async with httpx.AsyncClient(base_url=replica.base, trust_env=False, timeout=70) as http:
        yield Bench(
            replica=replica,
            kube=kube,
            namespace=organization,
            agent=agent,
            agent_name=name,
            trigger=trigger,
            token=token,
            http=http,
        )
    await agent.close()
