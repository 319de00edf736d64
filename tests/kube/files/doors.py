"""Three ways to files: a person's, a token's and an agent's; and the PUTs and GETs that the storage itself serves."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx

from tests.kube.jobs.conftest import Bench
from tests.plain import PLAIN

Ask = Callable[[str, str, Any], Awaitable[httpx.Response]]
EVERYTHING = ["read", "write", "delete"]


@dataclass(frozen=True, kw_only=True)
class Door:
    """Files as one kind of caller sees them."""

    kind: str
    announcing: str
    """The path that announces a file."""
    files: str
    """The path that all others begin with."""
    ask: Ask

    async def announce(self, **body: Any) -> Any:
        """Announce a file, and return the answer."""
        answer = await self.ask("POST", self.announcing, body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def complete(self, file_id: str) -> httpx.Response:
        return await self.ask("POST", f"{self.files}/{file_id}/complete", None)

    async def shown(self, file_id: str) -> httpx.Response:
        return await self.ask("GET", f"{self.files}/{file_id}", None)

    async def address(self, file_id: str) -> httpx.Response:
        return await self.ask("GET", f"{self.files}/{file_id}/download-url", None)

    async def delete(self, file_id: str) -> httpx.Response:
        return await self.ask("DELETE", f"{self.files}/{file_id}", None)

    async def stored(self, content: bytes, **body: Any) -> str:
        """Announce, upload and complete a file, and return its id."""
        upload = await self.announce(**body)
        answer = await put(upload, content)
        assert answer.status_code == 200, answer.text
        completed = await self.complete(upload["fileId"])
        assert completed.status_code == 200, completed.text
        file_id: str = upload["fileId"]
        return file_id

    async def content(self, file_id: str) -> httpx.Response:
        """Download a file."""
        answer = await self.address(file_id)
        assert answer.status_code == 200, answer.text
        return await get(answer.json()["downloadUrl"])


async def put(upload: dict[str, Any], content: bytes, **headers: str | None) -> httpx.Response:
    """Upload as a client does; keyword arguments replace headers (`content_type=`), None leaves one out."""
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    lowered = {name.lower(): value for name, value in upload["uploadHeaders"].items()}
    sent = {name: value for name, value in (lowered | changed).items() if value is not None}
    async with httpx.AsyncClient(verify=PLAIN, trust_env=False, timeout=60) as http:
        return await http.put(upload["uploadUrl"], content=content, headers=sent)


async def get(url: str) -> httpx.Response:
    async with httpx.AsyncClient(verify=PLAIN, trust_env=False, timeout=60) as http:
        return await http.get(url)


def of_bearer(bench: Bench, credential: str, files: str, kind: str) -> Door:
    """Return the door of who shows a credential."""

    async def ask(method: str, path: str, body: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {credential}"}
        # Not `json=`: a lone surrogate can be said in JSON and not in UTF-8.
        raw = None if body is None else json.dumps(body)
        return await bench.http.request(method, path, content=raw, headers=headers)

    return Door(kind=kind, announcing=f"{files}/presign-upload", files=files, ask=ask)


def of_person(bench: Bench, credential: str | None = None) -> Door:
    """Return the door of a person, olga unless said."""
    return of_bearer(bench, credential or bench.owner, f"/orgs/{bench.namespace}/files", "person")


async def of_token(bench: Bench, name: str, *grants: dict[str, Any]) -> Door:
    """Return the door of a new token; without grants it may do everything."""
    wanted = grants or ({"type": "storage", "permissions": EVERYTHING},)
    return of_bearer(bench, await bench.grant(name, *wanted), "/storage/files", "token")


def of_agent(bench: Bench, job_id: str) -> Door:
    """Return the door of the bench's agent, for one of its jobs."""

    async def ask(method: str, path: str, body: Any) -> httpx.Response:
        return await bench.agent.call(method, path, body)

    announcing = f"/agent/jobs/{job_id}/files/presign-upload"
    return Door(kind="agent", announcing=announcing, files="/agent/files", ask=ask)
