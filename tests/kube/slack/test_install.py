"""Connecting a workspace: the link, the browser's way back, and all that can go wrong on it."""

import asyncio
import re
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from deplite.kube.errors import NotFoundError
from deplite.resources import Organization
from deplite.resources.slackinstallation import SlackInstallation
from deplite_apiserver.shared.once import MemoryOnce
from deplite_apiserver.slack.state import PURPOSE, States
from tests.kube.edge.answers import refused
from tests.kube.serving import MovableClock, until
from tests.kube.slack.conftest import Office

SCOPES = ["app_mentions:read", "chat:write", "chat:write.public", "commands"]


async def nothing_is_there(office: Office) -> None:
    assert await office.kube.list(SlackInstallation, office.namespace) == []
    assert await office.listed() == []


async def test_a_member_connects_a_workspace(office: Office, clock: MovableClock) -> None:
    answer = await office.call("GET", "install-url")
    assert datetime.fromisoformat(answer.json()["expiresAt"]) <= datetime.fromtimestamp(clock.time() + 600, UTC)
    query = parse_qs(urlsplit(answer.json()["url"]).query)
    assert query["scope"] == [",".join(SCOPES)]
    assert query["redirect_uri"] == [f"{office.replica.base}/slack/oauth/callback"]
    assert "mika" not in answer.json()["url"]

    page = await office.install()
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "Acme &lt;Works&gt; is connected" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert (page.headers["referrer-policy"], page.headers["cache-control"]) == ("no-referrer", "no-store")

    (listed,) = await office.listed()
    assert listed == {
        "teamId": office.team.id,
        "teamName": "Acme <Works>",
        "scopes": SCOPES,
        "connected": True,
        "connectedAt": listed["connectedAt"],
        "installedBy": "https://issuer.test#mika",
        "linkedUsers": 0,
    }
    found = await office.object()
    assert found.managed_by_api
    assert found.status.bot_user_id == office.team.bot_user
    token = office.slack.token(office.team)
    assert await office.token() == token
    assert token not in f"{page.text}{page.url}{found.model_dump_json()}"
    secret = await office.kube.get_secret(office.namespace, found.spec.secret_name)
    assert secret.owned_by(found)


async def test_a_program_gets_json(office: Office) -> None:
    back = await office.approved()
    answer = await office.http.get(back)
    assert answer.status_code == 200
    assert answer.json() == {
        "organizationId": office.namespace,
        "teamId": office.team.id,
        "teamName": "Acme <Works>",
    }


async def test_a_link_connects_once(office: Office) -> None:
    back = await office.approved()
    assert (await office.http.get(back)).status_code == 200
    again = await office.http.get(back)
    refused(again, 400, "invalid_state")
    assert "used already" in again.json()["message"]


async def test_a_link_connects_once_also_after_a_restart(office: Office) -> None:
    back = await office.approved()
    assert (await office.http.get(back)).status_code == 200
    context = office.replica.context
    # What a new process knows, whose Redis has nothing either.
    context.slack.states = States(context.server_keys.derived(PURPOSE), context.clock.now, MemoryOnce())
    refused(await office.http.get(back), 400, "invalid_state")


async def test_a_link_that_is_spelled_otherwise_is_the_same_link(office: Office) -> None:
    back = await office.approved()
    assert (await office.http.get(back)).status_code == 200
    state = parse_qs(urlsplit(back).query)["state"][0]
    # The last character of a signature of 32 bytes carries four bits that count and two that do not.
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = state[:-1] + letters[letters.index(state[-1]) ^ 1]
    refused(await office.http.get("/slack/oauth/callback", params={"state": twin, "code": "x"}), 400, "invalid_state")


async def test_a_link_is_good_for_ten_minutes(office: Office, clock: MovableClock) -> None:
    back = await office.approved()
    clock.ahead += 601
    refused(await office.http.get(back), 400, "invalid_state")
    await nothing_is_there(office)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"code": "x"},
        {"state": "x", "code": "x"},
        {"state": "eyJhbGciOiJub25lIn0.eyJvcmciOiJvcmctYSJ9.", "code": "x"},
        {"state": "é\x00", "code": "x"},
        {"error": "access_denied"},
    ],
)
async def test_what_was_not_begun_here_connects_nothing(office: Office, params: dict[str, str]) -> None:
    refused(await office.http.get("/slack/oauth/callback", params=params), 400, "invalid_state")
    assert office.slack.calls("oauth.v2.access") == [] or all(
        call.arguments.get("code") != "x" for call in office.slack.calls("oauth.v2.access")
    )


async def test_a_state_without_a_code_connects_nothing(office: Office) -> None:
    state = parse_qs(urlsplit(await office.install_url()).query)["state"][0]
    refused(await office.http.get("/slack/oauth/callback", params={"state": state}), 400, "invalid_state")


async def test_who_declines_at_slack_reads_what_to_do(office: Office) -> None:
    page = await office.install(deny=True)
    assert page.status_code == 400
    assert "somebody declined" in page.text
    await nothing_is_there(office)


async def test_what_slack_says_of_an_error_is_only_text(office: Office) -> None:
    state = parse_qs(urlsplit(await office.install_url()).query)["state"][0]
    params = {"state": state, "error": "<script>alert(1)</script>\x1b[31m"}
    page = await office.http.get("/slack/oauth/callback", params=params, headers={"Accept": "text/html"})
    assert page.status_code == 400
    assert "<script>" not in page.text
    assert "&lt;script&gt;" in page.text
    assert "\x1b" not in page.text
    refused(await office.http.get("/slack/oauth/callback", params=params), 400, "invalid_state")


async def test_a_member_who_was_removed_meanwhile_connects_nothing(office: Office) -> None:
    back = await office.approved()
    members = [{"issuer": "https://issuer.test", "subject": "olga", "role": "owner"}]
    await office.kube.patch(Organization, office.namespace, "organization", {"spec": {"members": members}})
    caches = office.replica.context.caches

    async def known() -> int:
        found = caches.organization(office.namespace)
        return len(found.spec.members) if found else 0

    await until(known, 1)
    answer = await office.http.get(back)
    refused(answer, 400, "invalid_state")
    assert await office.kube.list(SlackInstallation, office.namespace) == []


async def test_a_code_that_slack_refuses_connects_nothing(office: Office) -> None:
    state = parse_qs(urlsplit(await office.install_url()).query)["state"][0]
    answer = await office.http.get("/slack/oauth/callback", params={"state": state, "code": "junk"})
    refused(answer, 422, "slack_code_refused")
    assert "invalid_code" in answer.json()["message"]
    await nothing_is_there(office)


async def test_while_slack_is_away_the_same_page_may_be_loaded_again(office: Office) -> None:
    back = await office.approved()
    html = {"Accept": "text/html"}
    for fault in (
        lambda: office.slack.fail(503, times=1, method="oauth.v2.access"),
        lambda: office.slack.fail(200, times=1, method="oauth.v2.access", body="<html>sorry</html>"),
        lambda: office.slack.limit(times=1, method="oauth.v2.access", retry_after=7),
        lambda: office.slack.refuse("internal_error", times=1, method="oauth.v2.access"),
        lambda: office.slack.hang(times=1, method="oauth.v2.access"),
    ):
        fault()
        page = await office.http.get(back, headers=html)
        office.slack.heal()
        assert page.status_code == 503, page.text
        assert int(page.headers["retry-after"]) >= 1
        assert "nothing has changed" in page.text
        assert "Load this page again" in page.text
    await nothing_is_there(office)
    assert (await office.http.get(back, headers=html)).status_code == 200


async def test_a_slack_that_nobody_reaches_is_away(office: Office) -> None:
    back = await office.approved()
    office.slack.down()
    try:
        answer = await office.http.get(back)
    finally:
        office.slack.up()
    refused(answer, 503, "slack_unavailable")
    assert (await office.http.get(back)).status_code == 200


async def test_a_whole_enterprise_organization_is_refused(office: Office) -> None:
    page = await office.install(org_wide=True)
    assert page.status_code == 422
    assert "choose one workspace" in page.text
    await nothing_is_there(office)


async def test_connecting_again_keeps_the_links_and_takes_the_new_token(office: Office) -> None:
    assert (await office.install()).status_code == 200
    first = await office.object()
    link = {"userId": "U0ANN", "issuer": "https://issuer.test", "subject": "mika", "linkedAt": "2026-01-01T00:00:00Z"}
    await office.kube.patch_status(SlackInstallation, *first.key, {"links": [link]})
    before = await office.token()
    office.slack.slack.spoil(office.team, "token_revoked")
    assert (await office.install(by="olga")).status_code == 200
    second = await office.object()
    assert second.metadata.uid == first.metadata.uid
    assert second.spec.secret_name == first.spec.secret_name
    assert second.spec.installed_by == "https://issuer.test#olga"
    assert [one.user_id for one in second.status.links] == ["U0ANN"]
    assert await office.token() not in (before, "")
    (listed,) = await office.listed()
    assert (listed["connected"], listed["linkedUsers"]) == (True, 1)


@pytest.mark.parametrize("left", ["object", "secret"])
async def test_what_a_crash_left_is_completed_by_connecting_again(office: Office, left: str) -> None:
    spec = {"teamId": office.team.id, "secretName": "slack-left"}
    labels = {"deplite.io/created-by": "api"}
    meta = {"name": office.object_name, "namespace": office.namespace, "labels": labels}
    made = await office.kube.create(SlackInstallation.model_validate({"metadata": meta, "spec": spec}))
    if left == "secret":
        await office.kube.create_secret(office.namespace, "slack-left", {"token": b"xoxb-old"}, owner=made)
    assert (await office.install()).status_code == 200
    assert await office.token() == office.slack.token(office.team)
    found = await office.object()
    assert (found.metadata.uid, found.spec.secret_name) == (made.metadata.uid, "slack-left")


async def test_a_secret_of_somebody_else_is_left_alone(office: Office) -> None:
    assert (await office.install()).status_code == 200
    first = await office.object()
    await office.kube.delete_secret(office.namespace, first.spec.secret_name)
    await office.kube.create_secret(office.namespace, first.spec.secret_name, {"token": b"by hand"})
    assert (await office.install()).status_code == 200
    assert await office.token() == office.slack.token(office.team)
    left = await office.kube.get_secret(office.namespace, first.spec.secret_name)
    assert left.data == {"token": b"by hand"}


async def test_a_workspace_belongs_to_one_organization(office: Office, rival: Office) -> None:
    assert (await office.install()).status_code == 200
    page = await rival.install(by="olga")
    assert page.status_code == 409
    assert office.namespace not in page.text
    assert await rival.listed() == []
    assert await office.token() == office.slack.token(office.team)
    (listed,) = await office.listed()
    assert listed["connected"]


async def test_of_two_at_once_one_gets_the_workspace(office: Office, rival: Office) -> None:
    ways = [await office.approved(), await rival.approved()]
    answers = await asyncio.gather(*(office.http.get(back) for back in ways))
    serving = [one for one in (await office.listed()) + (await rival.listed()) if one["connected"]]
    assert len(serving) == 1
    assert sorted(answer.status_code for answer in answers) in ([200, 409], [200, 200])
    # Where both were too quick to see each other, the older one serves, and the other says so.
    reasons = [one.get("reason") for one in (await office.listed()) + (await rival.listed())]
    assert set(reasons) <= {None, "team_taken"}


async def test_what_git_declares_is_not_written_over(office: Office) -> None:
    meta = {"name": "ours", "namespace": office.namespace}
    spec = {"teamId": office.team.id, "secretName": "ours"}
    await office.kube.create(SlackInstallation.model_validate({"metadata": meta, "spec": spec}))
    back = await office.approved()
    refused(await office.http.get(back), 409, "managed_in_git")
    with pytest.raises(NotFoundError):
        await office.kube.get_secret(office.namespace, "ours")


async def test_no_token_is_ever_logged(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        assert (await office.install()).status_code == 200
        office.slack.slack.spoil(office.team, "token_revoked")
        await office.call("DELETE", f"installations/{office.team.id}", by="olga")
    written = "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("httpx"))
    assert re.search(r"xox[a-z]-\d", written) is None
    assert office.slack.app.client_secret not in written


async def test_without_the_role_binding_nothing_is_begun(office: Office) -> None:
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{office.namespace}/rolebindings"
    back = await office.approved()
    for binding in (await office.kube.connection.request("GET", path))["items"]:
        await office.kube.connection.request("DELETE", f"{path}/{binding['metadata']['name']}")

    async def begun() -> int:
        return (await office.call("GET", "install-url")).status_code

    await until(begun, 409, seconds=60)
    answer = await office.call("GET", "install-url")
    refused(answer, 409, "secrets_forbidden")
    assert "SecretsReady" in answer.json()["message"]
    refused(await office.http.get(back), 409, "secrets_forbidden")
    await nothing_is_there(office)
