"""How the fake misbehaves, and what its ledger says of it."""

import asyncio

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.slackfake import FakeSlack


def outcomes(slack: FakeSlack) -> list[str]:
    return [call.outcome for call in slack.calls("chat.postMessage")]


async def post(client: AsyncWebClient, text: str = "x", channel: str = "C0GENERAL") -> None:
    await client.chat_postMessage(channel=channel, text=text)


async def test_429_says_when_to_come_again(slack: FakeSlack, client: AsyncWebClient) -> None:
    slack.limit(times=1, retry_after=7)
    with pytest.raises(SlackApiError) as caught:
        await post(client)
    assert caught.value.response.status_code == 429
    assert caught.value.response.headers["Retry-After"] == "7"
    assert caught.value.response["error"] == "ratelimited"
    await post(client)
    assert outcomes(slack) == ["429", "ok"]
    assert len(slack.team.messages("C0GENERAL")) == 1


async def test_a_window_counts_by_method_and_channel(slack: FakeSlack, client: AsyncWebClient) -> None:
    slack.pace("chat.postMessage", calls=1, seconds=3600)
    await post(client)
    with pytest.raises(SlackApiError) as caught:
        await post(client)
    assert 0 < int(caught.value.response.headers["Retry-After"]) <= 3600
    await post(client, channel="U0ANN")
    await client.auth_test()


async def test_no_good_answer_and_nothing_is_done(slack: FakeSlack, client: AsyncWebClient) -> None:
    slack.fail(503, times=1)
    slack.fail(200, times=1, body="<html>")
    for _ in range(2):
        with pytest.raises(SlackApiError):
            await post(client)
    slack.refuse("channel_not_found", method="chat.postMessage")
    with pytest.raises(SlackApiError, match="channel_not_found"):
        await post(client)
    assert outcomes(slack) == ["503", "200", "channel_not_found"]
    assert slack.team.messages("C0GENERAL") == []


async def test_a_lost_answer_did_what_was_asked(slack: FakeSlack, client: AsyncWebClient) -> None:
    slack.lose(times=1)
    with pytest.raises(aiohttp.ClientError):
        await post(client)
    assert outcomes(slack) == ["lost"]
    assert len(slack.team.messages("C0GENERAL")) == 1


async def test_calls_hang_until_it_is_healed(slack: FakeSlack, client: AsyncWebClient) -> None:
    slack.hang(times=2)
    calls = [asyncio.ensure_future(post(client)) for _ in range(2)]
    await asyncio.to_thread(slack.wait, lambda: slack.held("chat.postMessage") == 2)
    assert outcomes(slack) == ["held", "held"]
    slack.heal()
    for call in calls:
        with pytest.raises(SlackApiError):
            await call
    assert outcomes(slack) == ["503", "503"]
    assert slack.held() == 0
    await post(client)


async def test_refused_connections_and_the_same_port_afterwards(slack: FakeSlack, client: AsyncWebClient) -> None:
    url = slack.url
    slack.down()
    with pytest.raises(aiohttp.ClientConnectorError):
        await post(client)
    slack.up()
    assert slack.url == url
    await post(client)
    assert outcomes(slack) == ["ok"]
