"""The files' part of a server: presigns into a bucket, and looks there at each `complete`."""

import re
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.bucket import Bucket
from tests.unit.agent.server import Call, answer

_PRESIGN = re.compile(r"/agent/jobs/([^/]+)/files/presign-upload")
_COMPLETE = re.compile(r"/agent/files/([^/]+)/complete")


@dataclass(kw_only=True)
class Filing:
    """A script for `Server`."""

    bucket: Bucket
    declared: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The body of each presign, by the id that it got."""
    completed: list[str] = field(default_factory=list)
    refuse: dict[str, httpx.Response] = field(default_factory=dict)
    """Answers to presigns of a filename."""
    lasts: int = 900

    def __call__(self, call: Call) -> httpx.Response | None:
        if _PRESIGN.fullmatch(call.path):
            return self._presign(call.body)
        if found := _COMPLETE.fullmatch(call.path):
            return self._complete(found[1])
        return None

    @property
    def names(self) -> list[str]:
        """The names of what is stored, in order."""
        return [self.declared[file_id]["filename"] for file_id in self.completed]

    def content(self, name: str) -> bytes:
        """What is stored under a name."""
        (file_id,) = [file_id for file_id in self.completed if self.declared[file_id]["filename"] == name]
        return self.bucket.stored[f"/{file_id}"].content

    def _presign(self, body: dict[str, Any]) -> httpx.Response:
        if body["filename"] in self.refuse:
            return self.refuse[body["filename"]]
        file_id = f"f-{len(self.declared)}"
        self.declared[file_id] = body
        headers = {"Content-Type": body["contentType"], "If-None-Match": "*"}
        address = {"fileId": file_id, "uploadUrl": f"{self.bucket.url}/{file_id}", "uploadHeaders": headers}
        return httpx.Response(201, json={**address, "expiresInSeconds": self.lasts})

    def _complete(self, file_id: str) -> httpx.Response:
        stored = self.bucket.stored.get(f"/{file_id}")
        if stored is None:
            return answer(409, "not_uploaded")
        if self.declared[file_id].get("sha256", stored.sha256) != stored.sha256:
            return answer(422, "upload_mismatch")
        if file_id not in self.completed:
            self.completed.append(file_id)
        return httpx.Response(200, json={"id": file_id, "size": stored.size, "status": "stored"})
