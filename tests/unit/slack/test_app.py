"""The one who talks to Slack: what each way of not answering means, and where nothing may go."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from deplite.kube.errors import ForbiddenError, NotFoundError
from deplite.kube.secret import Secret
from deplite.patience import PATIENCE
from deplite.resources.slackinstallation import SlackInstallation
from deplite_apiserver.metrics.metrics import Metrics
from deplite_apiserver.slack.app import SlackApp
from deplite_apiserver.slack.errors import (
    SlackLimitedError,
    SlackRefusedError,
    SlackTokenError,
    SlackUnavailableError,
)
from deplite_apiserver.slack.settings import SlackSettings
from deplite_apiserver.slack.tokens import KEEP_SECONDS, BotTokens

INSTALLATION = SlackInstallation.model_validate(
    {"metadata": {"name": "t0", "namespace": "org-a"}, "spec": {"teamId": "T0", "secretName": "s"}}
)
Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Answers as a test says, and keeps what it was sent."""

    def __init__(self) -> None:
        self.answer: Answering = self.fine
        self.seen: list[tuple[str, str, str, str]] = []
        self.url = ""

    async def fine(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"ok": True})

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        body = (await request.read()).decode()
        self.seen.append((request.method, request.raw_path, request.headers.get("Authorization", ""), body))
        return await self.answer(request)

    def answers(self, status: int = 200, body: str = '{"ok": true}', **headers: str) -> None:
        async def answer(_: web.Request) -> web.StreamResponse:
            kind = "application/json" if body.startswith(("{", "[")) else "text/plain"
            return web.Response(status=status, text=body, content_type=kind, headers=headers)

        self.answer = answer


class Held:
    """Secrets in memory: the port that `BotTokens` asks for them."""

    def __init__(self) -> None:
        self.token: bytes | None = b"xoxb-1"
        self.error: Exception | None = None
        self.reads = 0

    async def get_secret(self, namespace: str, name: str) -> Secret:
        self.reads += 1
        if self.error is not None:
            raise self.error
        data = {} if self.token is None else {"token": self.token}
        return Secret(namespace=namespace, name=name, uid="u", version=str(self.reads), labels={}, data=data)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    runner = web.ServerRunner(web.Server(made))  # type: ignore[arg-type]
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
def held() -> Held:
    return Held()


class Hand:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest_asyncio.fixture
async def app(server: Server, held: Held, hand: Hand, tmp_path: Path) -> AsyncIterator[SlackApp]:
    for name in ("client", "signing"):
        (tmp_path / name).write_text(f"{name}-secret\n")
    settings = SlackSettings(
        client_id="1.2",
        client_secret_file=tmp_path / "client",
        signing_secret_file=tmp_path / "signing",
        url=server.url,
    )
    made = SlackApp(settings, BotTokens(held, hand), Metrics())
    yield made
    await made.close()


async def test_a_call_sends_its_token_in_a_header_and_its_payload_as_json(app: SlackApp, server: Server) -> None:
    assert await app.call(INSTALLATION, "chat.postMessage", channel="C0", blocks=[]) == {"ok": True}
    assert server.seen == [("POST", "/api/chat.postMessage", "Bearer xoxb-1", '{"channel": "C0", "blocks": []}')]


async def test_secrets_of_the_app_are_in_bodies_and_in_no_address(app: SlackApp, server: Server) -> None:
    server.answers(body='{"ok": true, "access_token": "xoxb-9", "team": {"id": "T0", "name": "Acme"}, "scope": "a,b"}')
    granted = await app.exchange("the-code", "https://d.test/back")
    await app.uninstall(INSTALLATION)
    await app.revoke("xoxb-1")
    assert [path for _, path, _, _ in server.seen] == [
        "/api/oauth.v2.access",
        "/api/apps.uninstall",
        "/api/auth.revoke",
    ]
    assert all("client-secret" in body for _, _, _, body in server.seen[:2])
    assert (granted.team_id, granted.team_name, granted.scopes) == ("T0", "Acme", ("a", "b"))
    assert "xoxb-9" not in repr(granted)


async def test_what_slack_grants_without_a_bot_token_is_refused(app: SlackApp, server: Server) -> None:
    server.answers(body='{"ok": true, "team": {"id": "T0"}}')
    with pytest.raises(SlackRefusedError, match="no bot token"):
        await app.exchange("c", "https://d.test/back")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("channel_not_found", SlackRefusedError),
        ("invalid_auth", SlackTokenError),
        ("token_revoked", SlackTokenError),
        ("account_inactive", SlackTokenError),
        ("ratelimited", SlackLimitedError),
        ("internal_error", SlackUnavailableError),
        ("service_unavailable", SlackUnavailableError),
    ],
)
async def test_what_a_code_means(app: SlackApp, server: Server, code: str, kind: type[Exception]) -> None:
    server.answers(body=f'{{"ok": false, "error": "{code}"}}')
    with pytest.raises(kind) as caught:
        await app.call_with("xoxb-1", "auth.test", {})
    if isinstance(caught.value, SlackRefusedError):
        assert caught.value.code == code
        assert type(caught.value) is kind


@pytest.mark.parametrize(("said", "seconds"), [("7", 7), ("0", 1), ("100000", 300), ("soon", 1), ("-3", 1)])
async def test_how_long_slack_asks_to_wait(app: SlackApp, server: Server, said: str, seconds: float) -> None:
    server.answers(429, '{"ok": false, "error": "ratelimited"}', **{"Retry-After": said})
    with pytest.raises(SlackLimitedError) as caught:
        await app.call_with("xoxb-1", "auth.test", {})
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, "oops"),
        (503, "{}"),
        (200, "<html>"),
        (200, "{"),
        (200, "[]"),
        (200, "[1]"),
        (200, '{"ok": false}'),
        (200, '{"ok": false, "error": 7}'),
        (200, ""),
        (404, "not here"),
        (502, '{"ok": false, "error": "channel_not_found"}'),
    ],
)
async def test_what_is_no_answer_may_have_been_done(app: SlackApp, server: Server, status: int, body: str) -> None:
    server.answers(status, body)
    with pytest.raises(SlackUnavailableError) as caught:
        await app.call_with("xoxb-1", "auth.test", {})
    assert caught.value.maybe_done


async def test_a_connection_that_is_refused_has_done_nothing(app: SlackApp, server: Server) -> None:
    server.url = ""
    gone = SlackApp(app.settings.model_copy(update={"url": "http://127.0.0.1:1"}), app.tokens, Metrics())
    with pytest.raises(SlackUnavailableError) as caught:
        await gone.call_with("xoxb-1", "auth.test", {})
    await gone.close()
    assert not caught.value.maybe_done


async def test_a_hanging_slack_costs_the_callers_patience(app: SlackApp, server: Server) -> None:
    release = asyncio.Event()

    async def hang(_: web.Request) -> web.StreamResponse:
        await release.wait()
        return web.json_response({"ok": True})

    server.answer = hang
    before = PATIENCE.set(0.05)
    try:
        with pytest.raises(SlackUnavailableError) as caught:
            await app.call_with("xoxb-1", "auth.test", {})
    finally:
        PATIENCE.reset(before)
        release.set()
    assert caught.value.maybe_done


async def test_nobody_is_followed_elsewhere(app: SlackApp, server: Server) -> None:
    server.answers(307, "", Location=f"{server.url}/elsewhere")
    with pytest.raises(SlackUnavailableError):
        await app.call_with("xoxb-1", "auth.test", {})
    with pytest.raises(SlackUnavailableError):
        await app.respond(f"{server.url}/hooks/1", {"text": "x"})
    assert [path for _, path, _, _ in server.seen] == ["/api/auth.test", "/hooks/1"]


async def test_a_later_answer_goes_to_slack_and_nowhere_else(app: SlackApp, server: Server) -> None:
    await app.respond(f"{server.url}/hooks/1", {"text": "done"})
    assert server.seen == [("POST", "/hooks/1", "", '{"text": "done"}')]
    host = server.url.removeprefix("http://")
    for url in ("https://hooks.slack.com/x", f"http://a@{host}/x", f"https://{host}/x", "file:///etc/passwd", "", "x"):
        with pytest.raises(ValueError, match="not Slack's"):
            await app.respond(url, {})
    real = SlackApp(app.settings.model_copy(update={"url": "https://slack.com"}), app.tokens, Metrics())
    for url in ("http://hooks.slack.com/x", "https://hooks.slack.com.evil.test/x", "https://hooks.slack.com:444/x"):
        with pytest.raises(ValueError, match="not Slack's"):
            await real.respond(url, {})


@pytest.mark.parametrize(
    ("status", "kind"), [(404, SlackRefusedError), (429, SlackLimitedError), (500, SlackUnavailableError)]
)
async def test_what_a_refused_later_answer_means(
    app: SlackApp, server: Server, status: int, kind: type[Exception]
) -> None:
    server.answers(status, "used_url")
    with pytest.raises(kind):
        await app.respond(f"{server.url}/hooks/1", {})


async def test_a_refused_token_is_read_once_more(app: SlackApp, server: Server, held: Held) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        good = request.headers["Authorization"] == "Bearer xoxb-2"
        return web.json_response({"ok": True} if good else {"ok": False, "error": "token_revoked"})

    server.answer = answer
    with pytest.raises(SlackTokenError):
        await app.call(INSTALLATION, "auth.test")
    await app.tokens.of(INSTALLATION)
    held.token = b"xoxb-2"  # another replica has connected the workspace again
    assert await app.call(INSTALLATION, "auth.test") == {"ok": True}


async def test_a_token_is_kept_for_a_minute(app: SlackApp, held: Held, hand: Hand) -> None:
    for at, reads in ((0.0, 1), (KEEP_SECONDS - 1, 1), (KEEP_SECONDS, 2)):
        hand.at = at
        await app.call(INSTALLATION, "auth.test")
        assert held.reads == reads


@pytest.mark.parametrize(
    ("token", "error", "code"),
    [
        (None, None, "token_missing"),
        (b"", None, "token_missing"),
        (b"xoxb-1\nX: y", None, "token_missing"),
        ("xoxb-é".encode(), None, "token_missing"),
        (None, NotFoundError("x"), "secret_missing"),
        (None, ForbiddenError("x"), "secrets_forbidden"),
    ],
)
async def test_a_secret_that_holds_no_token_says_so(
    app: SlackApp, server: Server, held: Held, token: bytes | None, error: Exception | None, code: str
) -> None:
    held.token, held.error = token, error
    with pytest.raises(SlackTokenError) as caught:
        await app.call(INSTALLATION, "auth.test")
    assert caught.value.code == code
    assert server.seen == []


async def test_no_level_of_logging_shows_a_token(
    app: SlackApp, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers(body='{"ok": true, "access_token": "xoxb-secret", "team": {"id": "T0"}}')
    root = logging.getLogger()
    with caplog.at_level("DEBUG", logger=root.name):
        await app.exchange("secret-code", "https://d.test/back")
        await app.call(INSTALLATION, "chat.postMessage", text="secret-text")
    assert all("secret" not in record.getMessage() for record in caplog.records)


async def test_a_rotated_secret_needs_no_restart(app: SlackApp, tmp_path: Path) -> None:
    assert app.signing_secret == "signing-secret"
    (tmp_path / "signing").write_text("another")
    assert app.signing_secret == "another"
    (tmp_path / "signing").unlink()
    assert app.signing_secret == "another"
