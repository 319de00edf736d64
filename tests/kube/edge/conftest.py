"""One replica for all of these tests, which believes an issuer of theirs; organizations with an owner and a member."""

import dataclasses
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite.resources import Agent, Trigger
from deplite.resources.identifiers import object_id
from deplite.resources.resource import CREATED_BY_LABEL
from deplite.resources.slackinstallation import SlackInstallation
from deplite_apiserver.limits.memory import MemoryLimiter
from deplite_apiserver.settings import Settings
from tests.kube.edge.people import People, declare_people
from tests.kube.jobs.conftest import Replica, agent_name, enroll, make_token
from tests.kube.jobs.conftest import settings as settings_of_jobs  # noqa: F401 - a fixture
from tests.kube.serving import served, told
from tests.organizations import create_organization, delete_namespace
from tests.published.agent import PublishedAgent

EVERYTHING = ["read", "write", "delete"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Organized:
    """An organization, and everything that a route can name in it."""

    kube: KubeClient
    base: str
    namespace: str
    agent: PublishedAgent
    agent_name: str
    trigger: Trigger
    token: str
    token_id: str
    code_id: str
    file_id: str
    """Of a file that was announced and not uploaded."""
    team_id: str
    """Of a Slack workspace that is declared and not connected."""

    @property
    def trigger_id(self) -> str:
        return object_id("tr", self.namespace, self.trigger.name)


@pytest.fixture(scope="session")
def people(session_folder: Path) -> People:
    return People(session_folder)


@pytest.fixture(scope="session")
def settings(settings_of_jobs: Settings, people: People) -> Settings:  # noqa: F811 - the fixture
    return settings_of_jobs.model_copy(update={"issuers": (people.settings(),), "read_seconds": 1.0})


@pytest_asyncio.fixture(scope="package")
async def replica(settings: Settings) -> AsyncIterator[Replica]:
    async with served(settings) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_counted(replica: Replica) -> None:
    """All tests call from one address, and a quick machine has more than a hundred wrong credentials a minute."""
    limiter = replica.context.limiter
    assert isinstance(limiter, MemoryLimiter)
    limiter._counts.clear()


@pytest_asyncio.fixture(scope="package")
async def http(replica: Replica) -> AsyncIterator[httpx.AsyncClient]:
    async with replica.client() as client:
        yield client


@pytest.fixture(scope="session")
def owner(people: People) -> dict[str, str]:
    return {"Authorization": f"Bearer {people.token('olga')}"}


@pytest.fixture(scope="session")
def member(people: People) -> dict[str, str]:
    return {"Authorization": f"Bearer {people.token('mika')}"}


@pytest.fixture(scope="session")
def stranger(people: People) -> dict[str, str]:
    return {"Authorization": f"Bearer {people.token('nobody')}"}


async def organize(kube: KubeClient, namespace: str, base: str, http: httpx.AsyncClient, owner: dict[str, str]) -> Any:
    agent = await enroll(kube, namespace, base)
    name = await agent_name(kube, namespace, agent.agent_id)
    body = {"agentId": agent.agent_id, "name": "Deploy", "workflowName": "deploy-prod"}
    made = await http.post(f"/orgs/{namespace}/triggers", json=body, headers=owner)
    assert made.status_code == 201, made.text
    trigger = next(one for one in await kube.list(Trigger, namespace))
    grants = [{"type": "trigger", "triggers": [trigger.name]}, {"type": "storage", "permissions": EVERYTHING}]
    token = await make_token(kube, namespace, "ci", grants=grants)
    code = await http.post(f"/orgs/{namespace}/agents/enroll-tokens", json={}, headers=owner)
    assert code.status_code == 201, code.text
    file = await http.post(f"/orgs/{namespace}/files/presign-upload", json={}, headers=owner)
    assert file.status_code == 201, file.text
    team_id = f"T{secrets.token_hex(5).upper()}"
    workspace = {"metadata": {"name": team_id.lower(), "namespace": namespace, "labels": {CREATED_BY_LABEL: "api"}}}
    workspace["spec"] = {"teamId": team_id, "secretName": "slack"}
    await kube.create(SlackInstallation.model_validate(workspace))
    return Organized(
        kube=kube,
        base=base,
        namespace=namespace,
        agent=agent,
        agent_name=name,
        trigger=trigger,
        token=token,
        token_id=object_id("tok", namespace, "ci"),
        code_id=code.json()["id"],
        file_id=file.json()["fileId"],
        team_id=team_id,
    )


@pytest_asyncio.fixture
async def org(kube: KubeClient, organization: str) -> str:
    """A fresh organization whose owner is olga and whose member is mika."""
    await declare_people(kube, organization, olga="owner", mika="member")
    return organization


@pytest_asyncio.fixture(scope="module")
async def home(
    kube: KubeClient, replica: Replica, http: httpx.AsyncClient, owner: dict[str, str]
) -> AsyncIterator[Organized]:
    """An organization of olga's with everything in it, for the tests of a module that change nothing."""
    namespace = f"org-{secrets.token_hex(5)}"
    await create_organization(kube, namespace)
    await declare_people(kube, namespace, olga="owner", mika="member")
    organized = await organize(kube, namespace, replica.base, http, owner)
    yield organized
    await organized.agent.close()
    await delete_namespace(kube, namespace)


@pytest_asyncio.fixture(scope="module")
async def abroad(
    kube: KubeClient, replica: Replica, http: httpx.AsyncClient, people: People
) -> AsyncIterator[Organized]:
    """Another organization with everything in it, of people whom `home` does not know."""
    namespace = f"org-{secrets.token_hex(5)}"
    await create_organization(kube, namespace)
    await declare_people(kube, namespace, otto="owner")
    theirs = {"Authorization": f"Bearer {people.token('otto')}"}
    organized = await organize(kube, namespace, replica.base, http, theirs)
    yield organized
    await organized.agent.close()
    await delete_namespace(kube, namespace)


Newcomer = Callable[[str], Awaitable[PublishedAgent]]


@pytest_asyncio.fixture
async def newcomer(kube: KubeClient, replica: Replica) -> AsyncIterator[Newcomer]:
    """Enrols an agent in an organization, and closes it in the end."""
    made: list[PublishedAgent] = []

    async def enrolled(namespace: str) -> PublishedAgent:
        made.append(await enroll(kube, namespace, replica.base))
        return made[-1]

    yield enrolled
    for agent in made:
        await agent.close()


async def declare_agent(kube: KubeClient, namespace: str, name: str, **spec: Any) -> str:
    """Declare an agent as Git would, and return its id."""
    await kube.create(Agent.model_validate({"metadata": {"name": name, "namespace": namespace}, "spec": spec}))
    await told(Agent)
    return object_id("ag", namespace, name)
