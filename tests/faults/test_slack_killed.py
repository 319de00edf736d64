"""The apiserver dies in the middle of what is done about Slack: nothing is half connected, linked or shown for long."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio

from deplite.resources import DeployJob, SlackInstallation
from deplite.resources.deployjob import SlackMessage
from tests.faults.cards import all_show_the_end, callers, posted
from tests.faults.fleet import Fleet
from tests.faults.ledger import Counters, Ledger
from tests.faults.site import Site
from tests.slackfake import FakeSlack, Team


@pytest_asyncio.fixture
async def team(site: Site, fake_slack: FakeSlack) -> AsyncIterator[Team]:
    """A workspace of the test's own, which nobody has connected."""
    await site.ready()
    made = fake_slack.add_team(f"T{secrets.token_hex(5).upper()}")
    yield made
    await site.ready()
    if await listed(site, made):
        await site.ask("DELETE", f"/slack/installations/{made.id}")


async def listed(site: Site, team: Team) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await site.ask("GET", "/slack/installations")
    return [one for one in found if one["teamId"] == team.id]


async def shows(site: Site, team: Team, connected: list[bool]) -> None:
    """Wait until a workspace is listed so often, and so."""
    async with asyncio.timeout(120):
        while [one["connected"] for one in await listed(site, team)] != connected:
            await asyncio.sleep(0.2)


async def dies(site: Site, place: str, ask: Callable[[], Any]) -> None:
    """Ask something, and let the apiserver die at a place on the way to the answer."""
    site.arm(place)
    with pytest.raises(httpx.TransportError):
        await asyncio.to_thread(ask)
    await site.hit(place)
    await site.ready()


async def install_url(site: Site) -> str:
    url: str = (await site.ask("GET", "/slack/install-url"))["url"]
    return url


async def token_is_kept(site: Site, slack: FakeSlack, team: Team) -> None:
    """Check that the one object of a workspace names the Secret that holds the newest token."""
    async with site.kube() as kube:
        found = [one for one in await kube.list(SlackInstallation, site.organization) if one.spec.team_id == team.id]
        assert len(found) == 1
        secret = await kube.get_secret(site.organization, found[0].spec.secret_name)
    assert secret.data["token"].decode() == slack.token(team)


async def test_killed_before_the_token_is_kept_it_is_connected_by_beginning_again(
    site: Site, fake_slack: FakeSlack, team: Team
) -> None:
    url = await install_url(site)
    await dies(site, "apiserver.slack.declared", lambda: fake_slack.install(url, team=team))
    await shows(site, team, [False])
    url = await install_url(site)
    page = await asyncio.to_thread(fake_slack.install, url, team=team)
    assert page.status_code == 200, page.text
    await shows(site, team, [True])
    await token_is_kept(site, fake_slack, team)


async def test_killed_once_the_token_is_kept_it_is_connected_by_itself(
    site: Site, fake_slack: FakeSlack, team: Team
) -> None:
    url = await install_url(site)
    await dies(site, "apiserver.slack.kept", lambda: fake_slack.install(url, team=team))
    await shows(site, team, [True])
    await token_is_kept(site, fake_slack, team)


async def test_killed_while_a_code_is_made_or_taken_the_next_try_does_it(
    site: Site, fake_slack: FakeSlack, team: Team
) -> None:
    url = await install_url(site)
    assert (await asyncio.to_thread(fake_slack.install, url, team=team)).status_code == 200
    path = f"{site.url}/orgs/{site.organization}/slack/installations/{team.id}/link-codes"
    headers = {"Authorization": f"Bearer {site.jwt}"}
    await dies(site, "apiserver.slack.linking", lambda: fake_slack.http.post(path, headers=headers))
    made = await site.ask("POST", f"/slack/installations/{team.id}/link-codes")
    typed = made["command"].removeprefix("/deplite ")
    await dies(site, "apiserver.slack.linking", lambda: fake_slack.command(typed, team=team))
    assert (await listed(site, team))[0]["linkedUsers"] == 0
    reply = await asyncio.to_thread(fake_slack.command, typed, team=team)
    assert reply.text.startswith("You are linked"), reply.text
    assert (await listed(site, team))[0]["linkedUsers"] == 1


async def test_killed_once_the_app_is_out_of_slack_it_is_disconnected_by_asking_again(
    site: Site, fake_slack: FakeSlack, team: Team
) -> None:
    url = await install_url(site)
    assert (await asyncio.to_thread(fake_slack.install, url, team=team)).status_code == 200
    path = f"{site.url}/orgs/{site.organization}/slack/installations/{team.id}"
    headers = {"Authorization": f"Bearer {site.jwt}"}
    await dies(site, "apiserver.slack.uninstalled", lambda: fake_slack.http.delete(path, headers=headers))
    assert fake_slack.scopes(team) == frozenset()
    assert len(await listed(site, team)) == 1
    await site.ask("DELETE", f"/slack/installations/{team.id}")
    await shows(site, team, [])


@pytest.mark.parametrize(("place", "messages"), [("apiserver.card.posting", 1), ("apiserver.card.posted", 2)])
async def test_killed_while_a_card_is_posted_the_next_process_shows_the_job(
    place: str, messages: int, site: Site, fleet: Fleet, ledger: Ledger, slack: FakeSlack
) -> None:
    (caller,) = await callers(site, slack, await fleet.add(), 1)
    site.arm(place)
    job = await caller.run(lines=3)
    await site.hit(place)
    assert len(posted(slack).get(job, [])) == messages - 1
    assert await caller.settle(ledger) == Counters()
    # Of a message that Slack has and of which nobody wrote down where it is, nobody can know: there is one more.
    found = (await all_show_the_end(slack, [job]))[job]
    assert len(found) == messages
    async with asyncio.timeout(120):
        while (at := await _written_down(site, job)) is None or not at.phase.finished:
            await asyncio.sleep(0.2)
    assert at.ts == found[-1].ts


async def _written_down(site: Site, job: str) -> SlackMessage | None:
    async with site.kube() as kube:
        return (await kube.get(DeployJob, site.organization, job)).status.slack_message
