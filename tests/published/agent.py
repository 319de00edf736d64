"""An agent that somebody else published: written from the protocol page, sharing no code with the product.

It sends no instance header, ignores `id:` and `retry:` of the stream, and verifies the whole payload of each deploy.
"""

import base64
import hashlib
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from tests.plain import PLAIN
from tests.published.canonical import canonical

EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


class PublishedAgent:
    """One identity: `base` is the address with the prefix that this client was configured with, e.g. `http://h/v1`."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.time = time.time
        self.key = Ed25519PrivateKey.generate()
        self.http = httpx.AsyncClient(verify=PLAIN, timeout=70, trust_env=False)
        self.agent_id = ""
        self.server_key: Ed25519PublicKey | None = None

    async def close(self) -> None:
        await self.http.aclose()

    def public_pem(self) -> str:
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    async def enroll(self, code: str, name: str = "published") -> httpx.Response:
        body = {"name": name, "publicKey": self.public_pem(), "hostname": "h1", "os": "linux", "agentVersion": "9.9.9"}
        answer = await self.http.post(
            f"{self.base}/agent/enroll", json=body, headers={"Authorization": f"Bearer {code}"}
        )
        if answer.is_success:
            self.agent_id = answer.json()["agentId"]
            key = load_pem_public_key(answer.json()["serverPublicKey"].encode())
            assert isinstance(key, Ed25519PublicKey)
            self.server_key = key
        return answer

    def signed(self, method: str, path: str, body: bytes, **override: str) -> dict[str, str]:
        """Return the four headers; keyword arguments replace what the signature covers."""
        timestamp = override.get("timestamp", str(int(self.time())))
        nonce = override.get("nonce", os.urandom(16).hex())
        digest = hashlib.sha256(body).hexdigest() if body else EMPTY_SHA256
        covered = "\n".join((timestamp, nonce, override.get("method", method), override.get("path", path), digest))
        return {
            "X-Agent-Id": self.agent_id,
            "X-Timestamp": timestamp,
            "X-Nonce": nonce,
            "X-Signature": base64.b64encode(self.key.sign(covered.encode())).decode(),
        }

    async def call(
        self, method: str, path: str, body: Any = None, *, extra: dict[str, str] | None = None, **override: str
    ) -> httpx.Response:
        """Send one signed call; `body` is JSON, or bytes as they are, or nothing; `extra` are headers of ours."""
        raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = self.signed(method, path, raw, **override) | (extra or {})
        if raw:
            headers["Content-Type"] = "application/json"
        return await self.http.request(method, self.base + path, content=raw, headers=headers)

    @asynccontextmanager
    async def stream(self, *, extra: dict[str, str] | None = None) -> AsyncIterator[AsyncIterator[tuple[str, Any]]]:
        """Open the job stream; yields `(event, data)`."""
        headers = self.signed("GET", "/agent/stream", b"") | {"Accept": "text/event-stream"} | (extra or {})
        async with self.http.stream("GET", f"{self.base}/agent/stream", headers=headers) as answer:
            if answer.status_code != 200:
                await answer.aread()
                raise AssertionError(f"{answer.status_code} {answer.text}")
            yield events(answer)

    def verify(self, deploy: dict[str, Any]) -> dict[str, Any]:
        """Return the payload of a deploy event after checking its signature over the whole of it."""
        assert self.server_key is not None
        payload: dict[str, Any] = deploy["payload"]
        self.server_key.verify(base64.b64decode(deploy["signature"], validate=True), canonical(payload).encode())
        return payload

    async def next_deploy(self, stream: AsyncIterator[tuple[str, Any]]) -> dict[str, Any]:
        async for event, data in stream:
            if event == "deploy":
                return self.verify(data)
        raise AssertionError("the stream ended without a deploy")


async def events(answer: httpx.Response) -> AsyncIterator[tuple[str, Any]]:
    name, data = "message", []
    async for line in answer.aiter_lines():
        if not line:
            if data:
                yield name, json.loads("\n".join(data))
            name, data = "message", []
        elif line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:"):
            data.append(line[5:].lstrip())
