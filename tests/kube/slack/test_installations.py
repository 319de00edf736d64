"""What is connected: listed, disconnected, declared with kubectl, and what Slack says of its token later."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from deplite.kube.cache import Cache
from deplite.kube.errors import NotFoundError
from deplite.resources.slackinstallation import SlackInstallation
from deplite_apiserver.settings import Settings
from deplite_apiserver.slack.checks import Checks
from deplite_apiserver.slack.tokens import BotTokens
from tests.kube.edge.answers import refused
from tests.kube.serving import MovableClock, served, until
from tests.kube.slack.conftest import Office


async def declare(office: Office, *, token: bytes | None, name: str = "ours", **spec: Any) -> SlackInstallation:
    """Declare the workspace as a person does, with a Secret that they wrote."""
    if token is not None:
        await office.kube.create_secret(office.namespace, name, {"token": token})
    meta = {"name": name, "namespace": office.namespace}
    wanted = {"teamId": office.team.id, "secretName": name} | spec
    return await office.kube.create(SlackInstallation.model_validate({"metadata": meta, "spec": wanted}))


def granted(office: Office) -> bytes:
    """Install the app at Slack without Deplite, and return the bot token."""
    from tests.slackfake.workspace import Code

    scopes = "app_mentions:read,chat:write,chat:write.public,commands"
    with office.slack.lock:
        return office.slack.slack.grant(
            Code(team=office.team, user="U0ANN", scopes=scopes, redirect_uri="")
        ).value.encode()


async def gone(office: Office, kind: str, name: str) -> None:
    async def there() -> bool:
        try:
            if kind == "Secret":
                await office.kube.get_secret(office.namespace, name)
            else:
                await office.kube.get(SlackInstallation, office.namespace, name)
        except NotFoundError:
            return False
        return True

    await until(there, False, seconds=60)


async def test_an_owner_disconnects_a_workspace(office: Office) -> None:
    assert (await office.install()).status_code == 200
    found = await office.object()
    refused(await office.call("DELETE", f"installations/{office.team.id}", by="mika"), 403, "forbidden")
    answer = await office.call("DELETE", f"installations/{office.team.id}", by="olga")
    assert (answer.status_code, answer.content) == (204, b"")
    assert await office.listed() == []
    assert office.slack.scopes(office.team) == frozenset()  # the app is out of the workspace
    await gone(office, "SlackInstallation", office.object_name)
    await gone(office, "Secret", found.spec.secret_name)
    refused(await office.call("DELETE", f"installations/{office.team.id}", by="olga"), 404, "not_found")
    # And it can be connected again.
    assert (await office.install()).status_code == 200
    assert await office.token() == office.slack.token(office.team)


async def test_while_slack_is_away_a_workspace_is_disconnected_here(office: Office) -> None:
    assert (await office.install()).status_code == 200
    office.slack.fail(503)
    answer = await office.call("DELETE", f"installations/{office.team.id}", by="olga")
    office.slack.heal()
    assert answer.status_code == 204
    assert await office.listed() == []
    await gone(office, "SlackInstallation", office.object_name)


async def test_absent_workspaces_are_404(office: Office) -> None:
    for team in ("T0NONE", "t0none", "x", "T" * 40, "%2e%2e"):
        refused(await office.call("DELETE", f"installations/{team}", by="olga"), 404, "not_found")


async def test_another_organizations_workspace_is_404(office: Office, rival: Office) -> None:
    assert (await office.install()).status_code == 200
    refused(await rival.call("DELETE", f"installations/{office.team.id}", by="olga"), 404, "not_found")
    assert [one["connected"] for one in await office.listed()] == [True]


async def test_what_a_person_declares_is_connected(office: Office) -> None:
    token = await asyncio.to_thread(granted, office)
    await declare(office, token=token, teamName="Ours")
    await office.shows(connected=True)
    (listed,) = await office.listed()
    assert (listed["teamName"], listed["installedBy"]) == ("Ours", None)
    found = await office.kube.get(SlackInstallation, office.namespace, "ours")
    assert found.status.bot_user_id == office.team.bot_user
    assert token.decode() not in found.model_dump_json()
    # It is Git's: REST takes it away only when told to, and leaves the person's Secret.
    refused(await office.call("DELETE", f"installations/{office.team.id}", by="olga"), 409, "managed_in_git")
    answer = await office.call("DELETE", f"installations/{office.team.id}?force=true", by="olga")
    assert answer.status_code == 204
    assert (await office.kube.get_secret(office.namespace, "ours")).data["token"] == token


async def test_a_token_of_another_workspace_is_never_connected(office: Office, rival: Office) -> None:
    other = dataclasses.replace(office, team=office.slack.add_team(f"{office.team.id}X"))
    token = await asyncio.to_thread(granted, other)
    await declare(office, token=token)
    await office.shows(connected=False, reason="other_team")


async def test_a_token_that_slack_refuses_is_not_connected(office: Office) -> None:
    await declare(office, token=b"xoxb-wrong")
    await office.shows(connected=False, reason="invalid_auth")


async def test_a_secret_that_is_missing_empty_or_junk_says_so(office: Office) -> None:
    await declare(office, token=None)
    await office.shows(connected=False, reason="secret_missing")


async def test_a_secret_without_a_usable_token_says_so(office: Office) -> None:
    await declare(office, token=b"two\nlines")
    await office.shows(connected=False, reason="token_missing")


async def test_a_secret_edited_by_hand_is_seen(office: Office, clock: MovableClock) -> None:
    await declare(office, token=b"xoxb-wrong")
    await office.shows(connected=False, reason="invalid_auth")
    token = await asyncio.to_thread(granted, office)
    secret = await office.kube.get_secret(office.namespace, "ours")
    secret = await office.kube.replace_secret(secret, {"token": token})
    clock.ahead += 61
    await office.shows(connected=True)
    await office.kube.replace_secret(secret, {"token": b"xoxb-worse"})
    clock.ahead += 61
    await office.shows(connected=False, reason="invalid_auth")


async def test_a_spec_that_names_another_secret_is_seen_at_once(office: Office) -> None:
    await declare(office, token=b"xoxb-wrong")
    await office.shows(connected=False, reason="invalid_auth")
    token = await asyncio.to_thread(granted, office)
    await office.kube.create_secret(office.namespace, "better", {"token": token})
    await office.kube.patch(SlackInstallation, office.namespace, "ours", {"spec": {"secretName": "better"}})
    await office.shows(connected=True)


async def looked_at(office: Office) -> int:
    """Return how many times Slack said that the token is good."""
    return len([call for call in office.slack.calls("auth.test", "ok") if call.team == office.team.id])


async def test_a_token_that_is_revoked_is_noticed_within_the_hour(office: Office, clock: MovableClock) -> None:
    assert (await office.install()).status_code == 200
    found = await office.object()
    await until(lambda: looked_at(office), 1, seconds=60)
    office.slack.slack.spoil(office.team, "token_revoked")
    clock.ahead += 3601
    await office.shows(connected=False, reason="token_revoked")
    assert (await office.object()).metadata.uid == found.metadata.uid


async def test_while_slack_is_away_what_was_connected_stays(office: Office, clock: MovableClock) -> None:
    assert (await office.install()).status_code == 200
    office.slack.fail(503, method="auth.test")
    clock.ahead += 3601

    async def failed() -> bool:
        return len(office.slack.calls("auth.test", "503")) > 0

    await until(failed, True, seconds=60)
    assert [one["connected"] for one in await office.listed()] == [True]
    office.slack.heal()


@pytest.mark.parametrize(("left", "reason"), [(60.0, "secret_missing"), (0.0, None)])
async def test_a_replica_whose_lease_is_over_writes_nothing_of_what_it_finds(
    office: Office, left: float, reason: str | None
) -> None:
    assert (await office.install()).status_code == 200
    found = await office.object()
    await until(lambda: looked_at(office), 1, seconds=60)
    await office.kube.delete_secret(office.namespace, found.spec.secret_name)  # looked at again within a minute only
    cache = Cache(office.kube, SlackInstallation, SlackInstallation.model_validate)
    cache.note(found)
    clock, context = MovableClock(), office.replica.context
    kube = office.kube.fenced(lambda: left)
    tokens = BotTokens(kube, clock.monotonic)
    checks = Checks(kube=kube, cache=cache, tokens=tokens, clock=clock, holds_lease=lambda: True)
    await checks.round(context.slack.app)
    assert (await office.object()).status.reason == reason


async def test_a_workspace_that_slack_does_not_serve_holds_up_no_other(office: Office, rival: Office) -> None:
    other = dataclasses.replace(rival, team=office.slack.add_team(f"{office.team.id}X"))
    office.slack.limit(method="auth.test", retry_after=300, team=office.team)
    await declare(office, token=await asyncio.to_thread(granted, office))

    async def limited() -> bool:
        return len([call for call in office.slack.calls("auth.test") if call.team == office.team.id]) > 0

    await until(limited, True, seconds=60)
    await declare(other, token=await asyncio.to_thread(granted, other))
    await other.shows(connected=True)
    assert [one["connected"] for one in await office.listed()] == [False]


async def test_what_a_crash_left_with_its_secret_is_connected_by_itself(office: Office, clock: MovableClock) -> None:
    token = await asyncio.to_thread(granted, office)
    meta = {"name": office.object_name, "namespace": office.namespace, "labels": {"deplite.io/created-by": "api"}}
    spec = {"teamId": office.team.id, "secretName": "slack-left"}
    made = await office.kube.create(SlackInstallation.model_validate({"metadata": meta, "spec": spec}))
    await office.kube.create_secret(office.namespace, "slack-left", {"token": token}, owner=made)
    clock.ahead += 61  # if its Secret was looked for before it was there
    await office.shows(connected=True)


async def test_a_refused_token_is_marked_unless_there_is_a_new_one(office: Office) -> None:
    connections = office.replica.context.slack.connections
    assert (await office.install()).status_code == 200
    seen = await office.object()
    # The operator writes beside us: an older version alone is no reason to keep silent.
    await office.kube.patch_status(SlackInstallation, *seen.key, {"observedGeneration": 1})
    await connections.mark(seen, "token_revoked")
    await office.shows(connected=False, reason="token_revoked")
    assert (await office.install()).status_code == 200
    await connections.mark(seen, "token_revoked")  # of the token that was there before
    assert (await office.object()).status.connected


async def test_word_of_an_uninstall_is_believed_when_slack_confirms_it(office: Office) -> None:
    connections = office.replica.context.slack.connections
    assert (await office.install()).status_code == 200
    found = await office.object()
    await connections.uninstalled(office.team.id, "app_uninstalled")  # late word of an earlier time
    assert [one["connected"] for one in await office.listed()] == [True]
    office.slack.slack.spoil(office.team, "account_inactive")
    await connections.uninstalled(office.team.id, "app_uninstalled")
    assert await office.listed() == []
    await gone(office, "SlackInstallation", office.object_name)
    await gone(office, "Secret", found.spec.secret_name)


async def test_word_of_an_uninstall_marks_what_a_person_declared(office: Office) -> None:
    await declare(office, token=await asyncio.to_thread(granted, office))
    await office.shows(connected=True)
    office.slack.slack.spoil(office.team, "account_inactive")
    await office.replica.context.slack.connections.uninstalled(office.team.id, "app_uninstalled")
    await office.shows(connected=False, reason="app_uninstalled")


async def test_slack_keeps_the_app_while_another_organization_declares_the_workspace(
    office: Office, rival: Office
) -> None:
    assert (await office.install()).status_code == 200
    await asyncio.sleep(1.1)  # the API server stamps whole seconds: of two in one, their uids say which is the older
    await declare(rival, token=office.slack.token(office.team).encode())
    await rival.shows(connected=False, reason="team_taken")
    answer = await office.call("DELETE", f"installations/{office.team.id}", by="olga")
    assert answer.status_code == 204
    assert office.slack.scopes(office.team) != frozenset()
    await rival.shows(connected=True)


@pytest_asyncio.fixture
async def off(settings: Settings, office: Office) -> AsyncIterator[Office]:
    """A replica beside, at which Slack is off."""
    async with (
        served(settings.model_copy(update={"slack": None})) as running,
        httpx.AsyncClient(base_url=running.base, trust_env=False, timeout=30) as http,
    ):
        yield dataclasses.replace(office, replica=running, http=http)


async def test_with_slack_off_nothing_is_begun_and_what_is_there_can_go(office: Office, off: Office) -> None:
    assert (await office.install()).status_code == 200
    for answer in (await off.call("GET", "install-url"), await off.http.get("/slack/oauth/callback")):
        refused(answer, 409, "slack_not_configured")
        assert "DEPLITE_SLACK_CLIENT_ID" in answer.json()["message"]

    async def listed() -> list[bool]:
        return [one["connected"] for one in await off.listed()]

    await until(listed, [True])
    answer = await off.call("DELETE", f"installations/{office.team.id}", by="olga")
    assert answer.status_code == 204
    await gone(office, "SlackInstallation", office.object_name)
