"""One replica for each module, which is an app at the fake Slack; a workspace and an organization for each test."""

import asyncio
import contextlib
import dataclasses
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite.kube.errors import ForbiddenError, NotFoundError
from deplite.local.ports import choose
from deplite.resources.slackinstallation import SlackInstallation
from deplite_apiserver.settings import Settings
from deplite_apiserver.slack.settings import SlackSettings
from tests.kube.edge.people import People, declare_people
from tests.kube.jobs.conftest import settings as settings_of_jobs  # noqa: F401 - a fixture
from tests.kube.serving import MovableClock, Replica, served, until
from tests.kube.slack.shop import Shop, opened_shop
from tests.organizations import clear_organization, create_organization
from tests.plain import PLAIN
from tests.slackfake import FakeSlack, Team, serving


@dataclasses.dataclass(frozen=True, kw_only=True)
class Office:
    """An organization whose owner is olga and whose member is mika, and a workspace that nobody has connected yet."""

    replica: Replica
    kube: KubeClient
    people: People
    slack: FakeSlack
    team: Team
    namespace: str
    http: httpx.AsyncClient

    @property
    def object_name(self) -> str:
        """What the SlackInstallation that REST makes for the workspace is called."""
        return self.team.id.lower()

    async def call(self, method: str, path: str, *, by: str = "mika") -> httpx.Response:
        """Call a route below the organization's /slack."""
        headers = {"Authorization": f"Bearer {self.people.token(by)}"}
        return await self.http.request(method, f"/orgs/{self.namespace}/slack/{path}", headers=headers)

    async def install_url(self, *, by: str = "mika") -> str:
        answer = await self.call("GET", "install-url", by=by)
        assert answer.status_code == 200, answer.text
        url: str = answer.json()["url"]
        return url

    async def approved(self, *, by: str = "mika") -> str:
        """Return where Slack sends the browser back to, without going there."""
        url = await self.install_url(by=by)
        return await asyncio.to_thread(self.slack.approve, url, team=self.team)

    async def install(self, *, by: str = "mika", **browser: Any) -> httpx.Response:
        """Connect the workspace as a browser does, and return the last page."""
        url = await self.install_url(by=by)
        return await asyncio.to_thread(self.slack.install, url, team=self.team, **browser)

    async def listed(self) -> list[dict[str, Any]]:
        answer = await self.call("GET", "installations")
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found

    async def object(self) -> SlackInstallation:
        return await self.kube.get(SlackInstallation, self.namespace, self.object_name)

    async def token(self) -> str:
        """Return the bot token that the Secret holds."""
        found = await self.object()
        return (await self.kube.get_secret(self.namespace, found.spec.secret_name)).data["token"].decode()

    async def shows(self, *, connected: bool, reason: str | None = None) -> None:
        """Wait until the one workspace of the organization is listed so."""

        async def ask() -> list[tuple[bool, str | None]]:
            return [(one["connected"], one.get("reason")) for one in await self.listed()]

        await until(ask, [(connected, reason)], seconds=60)


@pytest.fixture(scope="session")
def people(session_folder: Path) -> People:
    return People(session_folder)


@pytest.fixture(scope="module")
def slack() -> Iterator[FakeSlack]:
    with serving() as running:
        yield running


@pytest.fixture(autouse=True)
def healed(slack: FakeSlack) -> Iterator[None]:
    """What one test makes go wrong at Slack is over for the next."""
    yield
    slack.heal()


@pytest.fixture(scope="module")
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture(scope="module")
def settings(
    settings_of_jobs: Settings,  # noqa: F811 - the fixture
    people: People,
    slack: FakeSlack,
    session_folder: Path,
) -> Settings:
    port = choose(["slack"], {})["slack"]
    files = {}
    for name in ("client_secret", "signing_secret"):
        file = session_folder / f"slack-{secrets.token_hex(4)}"
        file.write_text(f"{getattr(slack.app, name)}\n")
        files[f"{name}_file"] = file
    app = SlackSettings.model_validate({"client_id": slack.app.client_id, "url": slack.url} | files)
    changed = {"issuers": (people.settings(),), "slack": app}
    changed |= {"public_url": f"http://127.0.0.1:{port}", "listen_port": port}
    return settings_of_jobs.model_copy(update=changed)


@pytest_asyncio.fixture(scope="module")
async def replica(settings: Settings, clock: MovableClock, slack: FakeSlack) -> AsyncIterator[Replica]:
    async with served(settings, clock, port=settings.listen_port) as running:
        slack.app_url = running.base
        yield running


@contextlib.asynccontextmanager
async def opened(
    kube: KubeClient,
    namespace: str,
    replica: Replica,
    people: People,
    slack: FakeSlack,
) -> AsyncIterator[Office]:
    """Fill an organization with people, and make a workspace for it."""
    await declare_people(kube, namespace, olga="owner", mika="member")
    await until(lambda: _may_read(replica, namespace), True, seconds=60)
    team = slack.add_team(f"T{secrets.token_hex(5).upper()}", "Acme <Works>")
    async with httpx.AsyncClient(base_url=replica.base, verify=PLAIN, trust_env=False, timeout=30) as http:
        yield Office(replica=replica, kube=kube, people=people, slack=slack, team=team, namespace=namespace, http=http)


async def _may_read(replica: Replica, namespace: str) -> bool:
    """Whether the authorizer knows the RoleBindings already."""
    try:
        await replica.context.kube.get_secret(namespace, "absent")
    except NotFoundError:
        return True
    except ForbiddenError:
        return False
    raise AssertionError("there is no such Secret")


@pytest_asyncio.fixture
async def office(
    kube: KubeClient,
    organization: str,
    replica: Replica,
    people: People,
    slack: FakeSlack,
) -> AsyncIterator[Office]:
    async with opened(kube, organization, replica, people, slack) as made:
        yield made


@pytest_asyncio.fixture
async def rival(
    kube: KubeClient,
    replica: Replica,
    people: People,
    slack: FakeSlack,
    office: Office,
) -> AsyncIterator[Office]:
    """Another organization of the same people, with an eye on the same workspace."""
    namespace = f"org-{secrets.token_hex(5)}"
    await create_organization(kube, namespace)
    async with opened(kube, namespace, replica, people, slack) as made:
        yield dataclasses.replace(made, team=office.team)
    await clear_organization(kube, namespace)


@pytest_asyncio.fixture
async def shop(office: Office, clock: MovableClock, kube: KubeClient) -> AsyncIterator[Shop]:
    """An office that is connected, with the trigger `deploy`; nobody is linked yet."""
    async with opened_shop(office, clock, kube) as made:
        yield made
