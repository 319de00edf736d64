"""The one who talks to Slack: one call, one answer or one error. Whether and when to try again, others decide."""

import logging
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from deplite.kube.gate import gate
from deplite.resources.slackinstallation import SlackInstallation
from deplite_apiserver.metrics.metrics import Metrics
from deplite_apiserver.secretfiles import SecretFiles
from deplite_apiserver.slack.answers import refused, retry_after, told_apart
from deplite_apiserver.slack.errors import (
    SlackError,
    SlackLimitedError,
    SlackRefusedError,
    SlackTokenError,
    SlackUnavailableError,
)
from deplite_apiserver.slack.settings import SLACK_URL, SlackSettings
from deplite_apiserver.slack.tokens import BotTokens

SCOPES = ("app_mentions:read", "chat:write", "chat:write.public", "commands")
"""What the app asks for; it reads no history."""
CONNECT_SECONDS = 3.0
HOOKS = "https://hooks.slack.com"

# The library writes whole bodies at the level debug, granted tokens among them. Its lines are never wanted.
_quiet = logging.getLogger("deplite_apiserver.slack.library")
_quiet.setLevel(logging.CRITICAL)


@dataclass(frozen=True, kw_only=True)
class Granted:
    """What Slack grants for a code of its own."""

    team_id: str | None
    """None: the app was installed for a whole Enterprise organization."""
    team_name: str | None
    token: str = field(repr=False)
    scopes: tuple[str, ...]
    bot_user_id: str | None
    enterprise: bool
    """Whether it is good for all workspaces of an Enterprise organization."""


class SlackApp:
    """The app at Slack.

    Every method raises the errors of `deplite_apiserver.slack.errors`.
    """

    def __init__(self, settings: SlackSettings, tokens: BotTokens, metrics: Metrics) -> None:
        """Make the app; nothing is sent yet, and `metrics` is told of each call.

        Raises:
            OSError: a file of a secret cannot be read.
            ValueError: one is empty.
        """
        self.settings, self.tokens, self._calls = settings, tokens, metrics.slack_calls
        self._client_secret, self._signing_secret = (
            SecretFiles(file, what="Slack's secret", action="slack_secret_unread")
            for file in (settings.client_secret_file, settings.signing_secret_file)
        )
        self._made: aiohttp.ClientSession | None = None

    @property
    def signing_secret(self) -> str:
        """What Slack signs its requests with."""
        return self._signing_secret.read()[0]

    def install_url(self, *, state: str, redirect_uri: str) -> str:
        """Return the address at which a person installs the app into a workspace."""
        query = {
            "client_id": self.settings.client_id,
            "scope": ",".join(SCOPES),
            "redirect_uri": redirect_uri,
            "state": state,
        }
        return f"{self.settings.url}/oauth/v2/authorize?{urlencode(query)}"

    async def call(self, installation: SlackInstallation, method: str, **payload: Any) -> dict[str, Any]:
        """Call a method of the Web API with an installation's bot token.

        A token that Slack refuses is read once more: a fresh one may have been put there through another replica.

        Raises:
            KubeError: the Secret of the token cannot be read for the moment.
        """
        token = await self.tokens.of(installation)
        try:
            return await self.call_with(token.text, method, payload)
        except SlackTokenError:
            again = await self.tokens.read(installation)
            if again.text == token.text:
                self.tokens.forget(installation)
                raise
        try:
            return await self.call_with(again.text, method, payload)
        except SlackTokenError:
            self.tokens.forget(installation)
            raise

    async def call_with(self, token: str, method: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Call a method of the Web API with a bot token."""
        return await self._answer(method, self._client(token).api_call(method, json=dict(payload)))

    async def exchange(self, code: str, redirect_uri: str) -> Granted:
        """Take a bot token for the code that Slack gave a person's browser."""
        # Not by the library's own method: it uses a class of aiohttp that is going away.
        data = self._credentials() | {"code": code, "redirect_uri": redirect_uri}
        answer = await self._answer("oauth.v2.access", self._client().api_call("oauth.v2.access", data=data))
        team = answer.get("team") or {}
        token = answer.get("access_token")
        if not isinstance(token, str) or not token:
            raise SlackRefusedError("no_bot_token", "Slack granted no bot token.")
        return Granted(
            team_id=team.get("id"),
            team_name=team.get("name"),
            token=token,
            scopes=tuple(scope for scope in str(answer.get("scope") or "").split(",") if scope),
            bot_user_id=answer.get("bot_user_id"),
            enterprise=bool(answer.get("is_enterprise_install")),
        )

    async def uninstall(self, installation: SlackInstallation) -> None:
        """Take the app out of a workspace: all its tokens end there."""
        token = await self.tokens.read(installation)  # another replica may have put in a new one
        # Not by the library's own method: it puts the app's secret into the address.
        sending = self._client(token.text).api_call("apps.uninstall", data=self._credentials())
        await self._answer("apps.uninstall", sending)

    async def revoke(self, token: str) -> None:
        """End one token."""
        await self._answer("auth.revoke", self._client(token).api_call("auth.revoke", data={}))

    async def respond(self, response_url: str, body: Mapping[str, Any]) -> None:
        """Send a later answer to a command or a button.

        Raises:
            ValueError: the address is not Slack's.
        """
        if not self._is_hook(response_url):
            raise ValueError("The address for the answer is not Slack's.")
        with self._counted("response_url"):
            async with told_apart(), self._session().post(response_url, json=dict(body)) as response:
                if response.status == 429:
                    raise SlackLimitedError(retry_after(response.headers))
                if response.status >= 500:
                    raise SlackUnavailableError(f"Slack answers {response.status}.", maybe_done=True)
                if response.status != 200:
                    raise SlackRefusedError(f"http_{response.status}")

    async def close(self) -> None:
        """Close the connections."""
        if self._made is not None:
            await self._made.close()

    def _credentials(self) -> dict[str, str]:
        return {"client_id": self.settings.client_id, "client_secret": self._client_secret.read()[0]}

    def _is_hook(self, url: str) -> bool:
        parts = urlsplit(url)
        allowed = HOOKS if self.settings.url == SLACK_URL else self.settings.url
        return f"{parts.scheme}://{parts.netloc}" == allowed

    def _client(self, token: str | None = None) -> AsyncWebClient:
        client = AsyncWebClient(
            token=token,
            base_url=f"{self.settings.url}/api/",
            session=self._session(),
            logger=_quiet,
            retry_handlers=[],
        )
        client.proxy = None  # the library knows HTTPS_PROXY, but not NO_PROXY; aiohttp knows both
        return client

    def _session(self) -> aiohttp.ClientSession:
        if self._made is None:
            self._made = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                trust_env=bool(getproxies()),
                middlewares=(_no_redirects,),
                trace_configs=[gate()],
            )
        return self._made

    async def _answer(self, method: str, sending: Awaitable[Any]) -> dict[str, Any]:
        with self._counted(method):
            try:
                async with told_apart():
                    answer: dict[str, Any] = (await sending).data
                    return answer
            except SlackApiError as error:
                raise refused(error.response) from None

    @contextmanager
    def _counted(self, method: str) -> Iterator[None]:
        try:
            yield
        except SlackError as error:
            self._calls.labels(method, error.outcome).inc()
            raise
        self._calls.labels(method, "done").inc()


async def _no_redirects(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Follow nobody: a redirected request would take bodies to where we were not told to go."""
    response = await send(request)
    if 300 <= response.status < 400:
        response.close()
        raise aiohttp.ClientPayloadError("redirected")
    return response
