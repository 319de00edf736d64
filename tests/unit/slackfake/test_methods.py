"""The fake's web API, spoken to by slack_sdk over HTTP as our apiserver does."""

import asyncio
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.slackfake import FakeSlack
from tests.unit.slackfake.installing import SCOPES, access, authorize_url, exchanged, installed, web

SECTION: dict[str, Any] = {"type": "section", "text": {"type": "mrkdwn", "text": "queued"}}
BUTTON: dict[str, Any] = {
    "type": "button",
    "text": {"type": "plain_text", "text": "Cancel"},
    "action_id": "stop",
    "value": "job_1",
}


async def refused(call: Any) -> str:
    with pytest.raises(SlackApiError) as caught:
        await call
    return str(caught.value.response["error"])


async def test_an_install_gives_a_token_of_the_team_once(slack: FakeSlack) -> None:
    granted = await exchanged(slack, authorize_url(slack))
    assert granted["team"] == {"id": "T0DEPLITE", "name": "Acme"}
    assert set(granted["scope"].split(",")) == set(SCOPES.split(","))
    assert (await web(slack, granted["access_token"]).auth_test())["team_id"] == "T0DEPLITE"
    assert await refused(access(slack, "used", "x", slack.app.client_secret)) == "invalid_code"


async def test_an_exchange_with_another_secret_or_address_is_refused(slack: FakeSlack) -> None:
    assert await refused(exchanged(slack, authorize_url(slack), secret="wrong")) == "bad_client_secret"
    assert await refused(exchanged(slack, authorize_url(slack), redirect="http://127.0.0.1:1/x")) == "bad_redirect_uri"


async def test_a_person_may_refuse(slack: FakeSlack) -> None:
    slack.browser.denies = True
    answer = await asyncio.to_thread(slack.http.get, authorize_url(slack))
    assert answer.headers["Location"] == "http://127.0.0.1:1/cb?error=access_denied&state=s1"


async def test_a_message_is_posted_and_updated_in_place(slack: FakeSlack, client: AsyncWebClient) -> None:
    posted = await client.chat_postMessage(channel="C0GENERAL", text="web", blocks=[SECTION])
    changed = [SECTION, {"type": "actions", "elements": [BUTTON]}]
    await client.chat_update(channel="C0GENERAL", ts=posted["ts"], text="web: ended", blocks=changed)
    (message,) = slack.team.messages("C0GENERAL")
    assert (message.ts, message.edits, message.text) == (posted["ts"], 1, "web: ended")
    assert message.said == "web: ended\nqueued\nCancel"
    assert message.before == [("web", [SECTION])]
    assert (message.button("stop") or {})["value"] == "job_1"
    assert [call.outcome for call in slack.calls()[1:]] == ["ok", "ok"]


async def test_a_channel_by_its_name(slack: FakeSlack, client: AsyncWebClient) -> None:
    assert (await client.chat_postMessage(channel="#general", text="x"))["channel"] == "C0GENERAL"
    assert await refused(client.chat_update(channel="#general", ts="1.000001", text="x")) == "channel_not_found"


@pytest.mark.parametrize(
    ("channel", "code"),
    [("C0PRIVATE", "channel_not_found"), ("C0ARCHIVED", "is_archived"), ("C0ABSENT", "channel_not_found")],
)
async def test_where_the_app_may_not_post(client: AsyncWebClient, channel: str, code: str) -> None:
    assert await refused(client.chat_postMessage(channel=channel, text="x")) == code


async def test_a_public_channel_needs_its_scope_or_the_bot(slack: FakeSlack) -> None:
    client = web(slack, await installed(slack, "chat:write"))
    assert await refused(client.chat_postMessage(channel="C0GENERAL", text="x")) == "not_in_channel"
    slack.team.channel("C0GENERAL").joined = True
    await client.chat_postMessage(channel="C0GENERAL", text="x")
    missing = web(slack, await installed(slack, "commands"))
    slack.slack.tokens[str(missing.token)].scopes = frozenset({"commands"})
    assert await refused(missing.chat_postMessage(channel="C0GENERAL", text="x")) == "missing_scope"


async def test_what_goes_to_one_person(slack: FakeSlack, client: AsyncWebClient) -> None:
    posted = await client.chat_postMessage(channel="U0ANN", text="for you")
    assert posted["channel"] == "D0ANN"
    assert await refused(client.chat_update(channel="U0ANN", ts=posted["ts"], text="x")) == "channel_not_found"
    await client.chat_update(channel="D0ANN", ts=posted["ts"], text="changed")
    await client.chat_postEphemeral(channel="C0GENERAL", user="U0BOB", text="psst")
    await client.views_publish(user_id="U0BOB", view={"type": "home", "blocks": [SECTION]})
    assert [message.text for message in slack.team.direct("U0ANN")] == ["changed"]
    assert [whisper.text for whisper in slack.team.whispered("U0BOB")] == ["psst"]
    assert slack.team.homes["U0BOB"]["blocks"] == [SECTION]


async def test_tokens_that_are_absent_wrong_revoked_or_of_a_removed_app(
    slack: FakeSlack, client: AsyncWebClient
) -> None:
    assert await refused(web(slack).chat_postMessage(channel="C0GENERAL", text="x")) == "not_authed"
    assert await refused(web(slack, "xoxb-1").auth_test()) == "invalid_auth"
    await client.auth_revoke()
    assert await refused(client.auth_test()) == "token_revoked"
    again = web(slack, await installed(slack))
    await again.apps_uninstall(client_id=slack.app.client_id, client_secret=slack.app.client_secret)
    assert await refused(again.auth_test()) == "account_inactive"


@pytest.mark.parametrize(
    "blocks",
    [
        [SECTION] * 51,
        [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}],
        [{"type": "section", "text": {"type": "mrkdwn", "text": ""}}],
        [{"type": "section", "text": {"type": "mrkdwn", "text": "x", "emoji": True}}],
        [{"type": "section"}],
        [{"type": "section", "fields": []}],
        [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}],
        [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}],
        [{"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}] * 11}],
        [{"type": "actions", "elements": []}],
        [{"type": "actions", "elements": [BUTTON, BUTTON]}],
        [{"type": "actions", "elements": [BUTTON | {"value": "x" * 2001}]}],
        [{"type": "actions", "elements": [BUTTON | {"text": {"type": "plain_text", "text": "x" * 76}}]}],
        [{"type": "actions", "elements": [BUTTON | {"style": "green"}]}],
        [{"type": "actions", "elements": [BUTTON | {"url": "javascript:1"}]}],
        [{"type": "actions", "elements": [BUTTON | {"confirm": {"title": "x"}}]}],
        [{"type": "chart"}],
        ["x"],
        [{"type": "divider", "block_id": "a"}, {"type": "divider", "block_id": "a"}],
    ],
)
async def test_blocks_that_slack_refuses(slack: FakeSlack, client: AsyncWebClient, blocks: Any) -> None:
    assert await refused(client.chat_postMessage(channel="C0GENERAL", text="x", blocks=blocks)) == "invalid_blocks"
    assert slack.team.messages("C0GENERAL") == []


async def test_good_blocks_of_every_kind(client: AsyncWebClient) -> None:
    plain = {"type": "plain_text", "text": "Really?"}
    confirm = {"title": plain, "text": {"type": "mrkdwn", "text": "*now*"}, "confirm": plain, "deny": plain}
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": "web", "emoji": True}},
        {"type": "section", "fields": [{"type": "mrkdwn", "text": "a"}], "accessory": BUTTON},
        {"type": "divider"},
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "x", "verbatim": True}]},
        {"type": "actions", "elements": [BUTTON | {"style": "danger", "confirm": confirm}]},
    ]
    await client.chat_postMessage(channel="C0GENERAL", text="x", blocks=blocks)


async def test_an_unknown_method_and_a_message_that_is_not_there(client: AsyncWebClient) -> None:
    assert await refused(client.api_call("chat.shout", json={})) == "unknown_method"
    assert await refused(client.chat_update(channel="C0GENERAL", ts="1.000001", text="x")) == "message_not_found"
    assert await refused(client.api_call("chat.postMessage", json={"channel": "C0GENERAL"})) == "no_text"
