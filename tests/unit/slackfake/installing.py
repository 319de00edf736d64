"""The way from a link to a bot token, as our apiserver goes it, and a client with that token."""

import asyncio
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from tests.slackfake import FakeSlack

SCOPES = "commands,chat:write,chat:write.public,app_mentions:read"


def web(slack: FakeSlack, token: str = "") -> AsyncWebClient:
    return AsyncWebClient(token or None, base_url=f"{slack.url}/api/", retry_handlers=[], timeout=10)


def authorize_url(slack: FakeSlack, redirect: str = "http://127.0.0.1:1/cb", scopes: str = SCOPES) -> str:
    query = f"client_id={slack.app.client_id}&scope={scopes}&redirect_uri={redirect}&state=s1"
    return f"{slack.url}/oauth/v2/authorize?{query}"


async def exchanged(slack: FakeSlack, url: str, **options: Any) -> dict[str, Any]:
    back = await asyncio.to_thread(slack.approve, url)
    code = back.partition("code=")[2].partition("&")[0]
    redirect = options.get("redirect", "http://127.0.0.1:1/cb")
    answer = await access(slack, code, redirect, options.get("secret", slack.app.client_secret))
    assert isinstance(answer.data, dict)
    return answer.data


async def access(slack: FakeSlack, code: str, redirect: str, secret: str) -> AsyncSlackResponse:
    form = {"client_id": slack.app.client_id, "client_secret": secret, "code": code, "redirect_uri": redirect}
    return await web(slack).api_call("oauth.v2.access", data=form)


async def installed(slack: FakeSlack, scopes: str = SCOPES) -> str:
    return str((await exchanged(slack, authorize_url(slack, scopes=scopes)))["access_token"])
