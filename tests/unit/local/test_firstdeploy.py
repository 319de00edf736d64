"""The first deploy over a small apiserver in memory: made once, followed to the end, refusals in words."""

import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from deplite.local.api import Api
from deplite.local.errors import LocalError
from deplite.local.firstdeploy import Webhook, ensure_webhook, run_deploy
from deplite.local.layout import Layout
from deplite.local.progress import Steps


class FakeServer:
    """Answers what the documentation says; the job ends after its log was asked for a few times."""

    def __init__(self, status: str = "success") -> None:
        self.status = status
        self.made: list[str] = []
        self.log = [{"stream": "raw", "stepName": "build", "content": f"line {seq}\n"} for seq in range(5)]
        self.asked: list[str] = []
        self.busy: list[int] = []
        """What the next calls are answered with instead."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        method, path = request.method, request.url.path
        self.asked.append(f"{method} {path}")
        if self.busy:
            return httpx.Response(self.busy.pop(0), json={"message": "Later.", "code": "unavailable"})
        if method == "POST":
            return self.create(path, json.loads(request.content))
        if path.startswith("/api/triggers/"):
            return httpx.Response(200 if "trigger" in self.made else 404, json={})
        if path == "/api/token":
            return httpx.Response(200 if "token" in self.made else 401, json={})
        if path.endswith("/logs"):
            first = int(request.url.params["fromSeq"])
            items = self.log[first : first + 2]
            return httpx.Response(200, json={"items": items, "nextSeq": first + len(items)})
        return httpx.Response(200, json=self.job())

    def create(self, path: str, body: dict[str, Any]) -> httpx.Response:
        if path.endswith("/run"):
            assert body["ref"] == "main"
            return httpx.Response(202, json={"jobId": "j-1"})
        kind = "trigger" if path.endswith("/triggers") else "token"
        self.made.append(kind)
        return httpx.Response(201, json={"id": "tr-1", "plainToken": "tk_secret"})

    def job(self) -> dict[str, Any]:
        ended = sum(line.endswith("/logs") for line in self.asked) > 1
        status = self.status if ended else "running"
        return {"status": status, "reason": "exit_code", "errorMessage": "step build failed", "output": {"url": "u"}}


def api_of(server: FakeServer) -> Api:
    return Api("http://test", "org-demo", lambda: "jwt", httpx.MockTransport(server))


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout.at(tmp_path).make()


async def test_trigger_and_token_are_made_once(layout: Layout) -> None:
    server = FakeServer()
    async with api_of(server) as api:
        first = await ensure_webhook(api, layout, "ag-1", None)
        assert await ensure_webhook(api, layout, "ag-1", "tr-1") == first
    assert server.made == ["trigger", "token"]
    assert layout.token.stat().st_mode & 0o777 == 0o600


async def test_what_is_gone_is_made_again(layout: Layout) -> None:
    server = FakeServer()
    layout.token.write_text("tk_old")
    async with api_of(server) as api:
        await ensure_webhook(api, layout, "ag-1", "tr-old")
    assert server.made == ["trigger", "token"]
    assert layout.token.read_text() == "tk_secret\n"


async def test_a_busy_server_is_asked_again_and_nothing_is_taken_to_be_gone(layout: Layout) -> None:
    server = FakeServer()
    async with api_of(server) as api:
        first = await ensure_webhook(api, layout, "ag-1", None)
        server.busy = [503, 503, 429, 502]
        assert await ensure_webhook(api, layout, "ag-1", "tr-1") == first
        server.busy = [503]
        assert await api.run("tr-1", first.token, "main", {}) == "j-1"
        server.busy = [403]
        with pytest.raises(LocalError, match=r"refused GET /token: Later\. \(403 unavailable\)"):
            await api.accepts(first.token)
        server.busy = [503]
        with pytest.raises(LocalError, match="refused POST"):  # which may have been done
            await api.enrollment_code("local")
    assert server.made == ["trigger", "token"]


async def test_the_whole_log_is_shown(layout: Layout) -> None:
    shown = io.StringIO()
    async with api_of(FakeServer()) as api:
        await run_deploy(api, Webhook("tr-1", "tk_secret"), Steps(Console(file=shown)))
    lines = [line.split("│ ")[1] for line in shown.getvalue().splitlines() if "│" in line]
    assert lines == [f"line {seq}" for seq in range(5)]
    assert '{"url": "u"}' in shown.getvalue()
    assert "tk_secret" not in shown.getvalue()


async def test_a_failed_deploy_says_why() -> None:
    async with api_of(FakeServer("failed")) as api:
        with pytest.raises(LocalError, match=r"failed \(exit_code\): step build failed"):
            await run_deploy(api, Webhook("tr-1", "tk_secret"), Steps(Console(file=io.StringIO())))


async def test_a_refusal_names_the_call_and_no_credential() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        return httpx.Response(401, json={"statusCode": 401, "code": "invalid_token", "message": "No"})

    async with Api("http://test", "org-demo", lambda: "jwt", httpx.MockTransport(refuse)) as api:
        with pytest.raises(LocalError) as refused:
            await api.enrollment_code("local")
    assert str(refused.value) == (
        "the apiserver refused POST /orgs/org-demo/agents/enroll-tokens: No (401 invalid_token)"
    )
