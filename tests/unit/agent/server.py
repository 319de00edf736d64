"""A server behind the agent's own transport: it claims, keeps logs by seq (the first one wins) and results."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deplite.protocol.request import INSTANCE_HEADER, JOB_UID_HEADER, RequestSigner
from deplite_agent.transport import Transport

_CALL = re.compile(r"/agent/jobs/([^/]+)/(logs|result)")


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request as it arrived."""

    method: str
    path: str
    headers: httpx.Headers
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw) if self.raw else None


Script = Callable[[Call], httpx.Response | None]


def answer(status: int, code: str | None = None, **more: Any) -> httpx.Response:
    body = {"statusCode": status, "code": code, "message": "As the test says.", **more} if code else more
    return httpx.Response(status, json=body)


@dataclass(kw_only=True)
class Server:
    """What it has got, and how it answers; `script` may answer in its place (or raise)."""

    calls: list[Call] = field(default_factory=list)
    script: Script = lambda _: None
    flush_ms: int | None = None
    stored: dict[tuple[str, str], dict[int, dict[str, Any]]] = field(default_factory=dict)
    claims: dict[tuple[str, str], str] = field(default_factory=dict)
    results: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    disputed: list[dict[str, Any]] = field(default_factory=list)
    """Lines that came under a number that has other content."""

    def transport(self, instance: str = "i1", **rest: Any) -> Transport:
        client = httpx.AsyncClient(transport=httpx.MockTransport(self._handle))
        signer = RequestSigner(agent_id="ag-1", key=Ed25519PrivateKey.generate())
        return Transport("http://server/v1", signer, instance, client=client, **rest)

    def bodies(self, what: str) -> list[Any]:
        return [call.body for call in self.calls if call.path.endswith(f"/{what}")]

    def ends(self) -> list[dict[str, Any]]:
        return [body for body in self.bodies("result") if body["status"] != "running"]

    def lines(self, job_id: str = "j-1", uid: str = "u1234567") -> list[str]:
        kept = self.stored.get((job_id, uid), {})
        return [kept[seq]["content"] for seq in sorted(kept)]

    def _handle(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/v1")
        call = Call(method=request.method, path=path, headers=request.headers, raw=request.content)
        self.calls.append(call)
        return self.script(call) or self._obey(call)

    def _obey(self, call: Call) -> httpx.Response:
        found = _CALL.fullmatch(call.path)
        if found is None:
            return httpx.Response(204)
        key = (found[1], call.headers.get(JOB_UID_HEADER, ""))
        if found[2] == "logs":
            return self._keep(key, call.body["items"])
        return self._told(key, call.body, call.headers[INSTANCE_HEADER])

    def _keep(self, key: tuple[str, str], items: list[dict[str, Any]]) -> httpx.Response:
        kept = self.stored.setdefault(key, {})
        before = len(kept)
        for item in items:
            if kept.setdefault(item["seq"], item) != item:
                self.disputed.append(item)
        return httpx.Response(200, json={"accepted": len(kept) - before, "flushMs": self.flush_ms})

    def _told(self, key: tuple[str, str], body: dict[str, Any], instance: str) -> httpx.Response:
        if body["status"] == "running":
            if key in self.results:
                return answer(409, "job_finished")
            same = self.claims.setdefault(key, instance) == instance
            return httpx.Response(204) if same else answer(409, "already_claimed")
        same = self.results.setdefault(key, body) == body
        return httpx.Response(204) if same else answer(409, "result_conflict")
