"""The REST API of files, as the documents say it, in front of a bucket."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.bucket import Bucket

PREFIX = "/api/orgs/org-demo/files"


def refusal(status: int, code: str, headers: dict[str, str] | None = None) -> httpx.Response:
    body = {"statusCode": status, "code": code, "message": "As the test says."}
    return httpx.Response(status, json=body, headers=headers)


@dataclass(kw_only=True)
class Filing:
    """Files by id; `script` may answer in its place (or raise)."""

    bucket: Bucket
    prefix: str = PREFIX
    metas: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[httpx.Request] = field(default_factory=list)
    script: Callable[[httpx.Request], httpx.Response | None] = lambda _: None
    page: int = 2

    def client(self) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self._handle))

    def asked(self) -> list[str]:
        return [f"{request.method} {request.url.path.removeprefix(self.prefix)}" for request in self.requests]

    def add(self, name: str, content: bytes, **more: Any) -> str:
        file_id = f"f-{'a' * 15}{'abcdefghijklmnop'[len(self.metas)]}"
        self.bucket.put(f"/{file_id}", content)
        stored = self.bucket.stored[f"/{file_id}"]
        meta = {"id": file_id, "filename": name, "status": "stored", "size": len(content), "sha256": stored.sha256}
        self.metas = {file_id: meta | {"jobId": None, "cleanupRule": "ttl", "expiresAt": None} | more, **self.metas}
        return file_id

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        said = self.script(request)
        if said is not None:
            return said
        assert request.url.path.startswith(self.prefix), request.url
        *_, first, last = ("", *request.url.path.removeprefix(self.prefix).split("/"))
        match request.method, first, last:
            case "POST", _, "presign-upload":
                return self._presign(json.loads(request.content))
            case "POST", file_id, "complete":
                return self._complete(file_id)
            case "GET", "", "":
                return self._list(request)
            case "GET", file_id, "download-url":
                return httpx.Response(200, json={"downloadUrl": f"{self.bucket.url}/{file_id}"})
            case method, _, file_id if file_id in self.metas:
                meta = self.metas.pop(file_id) if method == "DELETE" else self.metas[file_id]
                return httpx.Response(204) if method == "DELETE" else httpx.Response(200, json=meta)
        return refusal(404, "not_found")

    def _presign(self, body: dict[str, Any]) -> httpx.Response:
        file_id = f"f-{'b' * 15}{'abcdefghijklmnop'[len(self.metas)]}"
        self.metas[file_id] = {"id": file_id, "status": "pending", **body}
        headers = {"Content-Type": body["contentType"], "If-None-Match": "*"}
        url = f"{self.bucket.url}/{file_id}"
        return httpx.Response(201, json={"fileId": file_id, "uploadUrl": url, "uploadHeaders": headers})

    def _complete(self, file_id: str) -> httpx.Response:
        stored = self.bucket.stored.get(f"/{file_id}")
        if stored is None:
            return refusal(409, "not_uploaded")
        if self.metas[file_id].get("sha256", stored.sha256) != stored.sha256:
            return refusal(422, "upload_mismatch")
        self.metas[file_id] |= {"status": "stored", "size": stored.size, "sha256": stored.sha256}
        return httpx.Response(200, json=self.metas[file_id])

    def _list(self, request: httpx.Request) -> httpx.Response:
        query = request.url.params
        found = [meta for meta in self.metas.values() if query.get("status") in (None, meta["status"])]
        begin = int(query.get("cursor", 0))
        headers = {}
        if begin + self.page < len(found):
            after = query.set("cursor", begin + self.page)
            headers["Link"] = f'<http://elsewhere{request.url.path}?{after}>; rel="next"'
        return httpx.Response(200, json=found[begin : begin + self.page], headers=headers)
