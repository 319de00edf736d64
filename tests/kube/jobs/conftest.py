"""One replica of the apiserver for each test module, in this process, on the real API server and object store."""

import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite.local.accounts import Account
from deplite.local.objectstore import ObjectStore
from deplite.resources import Agent, ApiToken, DeployJob, EnrollmentToken, Trigger
from deplite.resources.credentials import describe, mint
from deplite.resources.identifiers import object_id
from deplite_apiserver.settings import Settings, Waits
from deplite_apiserver.storage.s3 import S3Store
from tests.kube.edge.people import People, declare_people
from tests.kube.serving import PATIENCE, Replica, served, told, until
from tests.kube.storing import place_of
from tests.organizations import SYSTEM_NAMESPACE, create_organization, delete_namespace
from tests.published.agent import PublishedAgent

WORKFLOW: dict[str, Any] = {
    "name": "deploy-prod",
    "params": [{"name": "replicas", "type": "number", "default": 2, "min": 1, "max": 20}],
}


@dataclass(frozen=True, kw_only=True)
class Bench:
    """An organization with an enrolled agent, a trigger and a token that may run it, and an owner named olga."""

    replica: Replica
    kube: KubeClient
    namespace: str
    agent: PublishedAgent
    agent_name: str
    trigger: Trigger
    token: str
    owner: str
    """Olga's JWT."""
    http: httpx.AsyncClient

    @property
    def trigger_id(self) -> str:
        return self.id_of(self.trigger.name)

    def id_of(self, trigger: str) -> str:
        return object_id("tr", self.namespace, trigger)

    async def declare(self, name: str, **spec: Any) -> str:
        """Create another trigger of the agent, and return its id once the replica knows it."""
        wanted = {"agent": self.agent_name, "workflow": "deploy-prod"} | spec
        metadata = {"name": name, "namespace": self.namespace}
        await self.kube.create(Trigger.model_validate({"metadata": metadata, "spec": wanted}))
        await self._known(lambda: self.replica.context.caches.triggers.get(self.namespace, name))
        return self.id_of(name)

    async def grant(self, name: str, *grants: dict[str, Any], **spec: Any) -> str:
        """Create another API token, and return its plain text once the replica knows it."""
        plain = await make_token(self.kube, self.namespace, name, grants=list(grants), **spec)
        await self._known(lambda: self.replica.context.caches.token_holders.oldest(describe(plain).sha256))
        return plain

    async def known(self) -> None:
        """Wait until the replica knows the bench's own trigger and token."""
        caches = self.replica.context.caches
        await self._known(lambda: caches.triggers.get(*self.trigger.key))
        await self._known(lambda: caches.token_holders.oldest(describe(self.token).sha256))

    async def _known(self, look: Callable[[], object]) -> None:
        """Wait for the watch: look-ups that miss are only a few a second."""

        async def found() -> bool:
            return look() is not None

        await until(found, True)

    async def run(
        self, body: Any = None, *, key: str | None = None, token: str | None = None, trigger: str | None = None
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token or self.token}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        path = f"/triggers/{trigger or self.trigger_id}/run"
        return await self.http.post(path, json={"ref": "main"} if body is None else body, headers=headers)

    async def made(self, **run: Any) -> str:
        """Run, and return the job's id."""
        answer = await self.run(**run)
        assert answer.status_code == 202, answer.text
        job_id: str = answer.json()["jobId"]
        return job_id

    async def get(self, path: str, *, token: str | None = None) -> httpx.Response:
        return await self.http.get(path, headers={"Authorization": f"Bearer {token or self.token}"})

    async def shown(self, job_id: str) -> dict[str, Any]:
        return await self.shown_by(job_id, self.token)

    async def shown_by(self, job_id: str, token: str) -> dict[str, Any]:
        """Return a job as the holder of a token reads it."""
        answer = await self.get(f"/jobs/{job_id}", token=token)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def status(self, job_id: str) -> tuple[str, str | None]:
        """Return status and reason, as a polling client reads them."""
        found = await self.shown(job_id)
        return found["status"], found["reason"]

    async def job(self, job_id: str) -> DeployJob:
        return await self.kube.get(DeployJob, self.namespace, job_id)

    async def report(self, job_id: str, status: str, *, extra: dict[str, str] | None = None, **body: Any) -> Any:
        """Post a result as the agent."""
        return await self.agent.call("POST", f"/agent/jobs/{job_id}/result", {"status": status} | body, extra=extra)

    async def ship(self, job_id: str, items: Any, *, extra: dict[str, str] | None = None) -> httpx.Response:
        """Post log lines as the agent."""
        return await self.agent.call("POST", f"/agent/jobs/{job_id}/logs", {"items": items}, extra=extra)


@pytest.fixture(scope="session")
def people(session_folder: Path) -> People:
    return People(session_folder)


@pytest_asyncio.fixture(scope="session")
async def settings(accounts: dict[str, Account], object_store: ObjectStore, people: People) -> Settings:
    """What replicas are served with: the rights are those of the part's ServiceAccount.

    Nobody is told that the cluster is slow: a machine that others use, too, may well be. Who tests that says `Waits()`.
    """
    return Settings(
        kubeconfig=accounts["apiserver"].kubeconfig,
        system_namespace=SYSTEM_NAMESPACE,
        issuers=(people.settings(),),
        s3=place_of(object_store),
        waits=Waits(request=PATIENCE, slack=PATIENCE, missing=PATIENCE, choosing=PATIENCE),
    )


@pytest_asyncio.fixture(scope="module")
async def bucket(settings: Settings) -> AsyncIterator[S3Store]:
    """The bucket, as the server reaches it."""
    store = S3Store(settings.s3)
    yield store
    await store.close()


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
    await told(ApiToken)
    return credential.plain


async def enroll(
    kube: KubeClient, namespace: str, base: str, *, clock: Callable[[], float] = time.time
) -> PublishedAgent:
    """Enrol an agent that nobody here wrote, and have it report its workflow."""
    code = mint("enr")
    name = f"code-{secrets.token_hex(4)}"
    made = {"metadata": {"name": name, "namespace": namespace}, "spec": {"expiresAt": "2099-01-01T00:00:00Z"}}
    await kube.create(EnrollmentToken.model_validate(made))
    status = {"hash": describe(code.plain).sha256, "prefix": code.prefix}
    await kube.patch_status(EnrollmentToken, namespace, name, status)
    await told(EnrollmentToken)
    agent = PublishedAgent(base)
    agent.time = clock
    answer = await agent.enroll(code.plain)
    assert answer.status_code in (200, 201), answer.text
    answer = await agent.call("POST", "/agent/workflows/report", {"workflows": [WORKFLOW]})
    assert answer.status_code == 200, answer.text
    return agent


async def agent_name(kube: KubeClient, namespace: str, agent_id: str) -> str:
    found = await kube.list(Agent, namespace)
    return next(one.name for one in found if object_id("ag", *one.key) == agent_id)


@contextlib.asynccontextmanager
async def benched(
    kube: KubeClient, namespace: str, replica: Replica, people: People, *, clock: Callable[[], float] = time.time
) -> AsyncIterator[Bench]:
    """Fill an organization; its agent lives by a clock of unix seconds."""
    await declare_people(kube, namespace, olga="owner", mika="member")
    agent = await enroll(kube, namespace, replica.base, clock=clock)
    name = await agent_name(kube, namespace, agent.agent_id)
    spec = {"agent": name, "workflow": "deploy-prod", "allowedRefs": ["main", "release/*"]}
    trigger = await kube.create(
        Trigger.model_validate({"metadata": {"name": "deploy", "namespace": namespace}, "spec": spec})
    )
    token = await make_token(kube, namespace, "ci", grants=[{"type": "trigger", "triggers": ["deploy"]}])
    async with replica.client() as http:
        made = Bench(
            replica=replica,
            kube=kube,
            namespace=namespace,
            agent=agent,
            agent_name=name,
            trigger=trigger,
            token=token,
            owner=people.token("olga"),
            http=http,
        )
        await made.known()
        yield made
    await agent.close()


@pytest_asyncio.fixture
async def bench(kube: KubeClient, organization: str, replica: Replica, people: People) -> AsyncIterator[Bench]:
    """A bench of the test's own."""
    async with benched(kube, organization, replica, people) as made:
        yield made


@pytest_asyncio.fixture(scope="module")
async def stage(kube: KubeClient, replica: Replica, people: People) -> AsyncIterator[Bench]:
    """A bench for all tests of a module, where each has jobs of its own or makes none."""
    namespace = f"org-{secrets.token_hex(5)}"
    await create_organization(kube, namespace)
    async with benched(kube, namespace, replica, people) as made:
        yield made
    await delete_namespace(kube, namespace)
