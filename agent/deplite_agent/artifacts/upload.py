"""One artifact's way into the storage: measured, presigned, sent, completed; tried again as long as that may help."""

import asyncio
import contextlib
import errno
import hashlib
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from deplite.failpoints import failpoint
from deplite.mediatypes import media_type
from deplite.protocol.backoff import Backoff
from deplite_agent.artifacts.patience import Patience
from deplite_agent.artifacts.search import MAX_FILE_BYTES, open_inside
from deplite_agent.artifacts.storage import Storage
from deplite_agent.errors import AwayError, RefusedError

Call = Callable[..., Any]
"""`await call(method, path, body)`: a signed call that speaks for the job."""

MAX_NAME = 255
_FRESH_TRIES = 5
"""How often the storage may refuse what is sent: a file that changes, or an address whose time is over."""
_MARGIN_SECONDS = 60.0
"""An address is not used any more so long before its time is over."""
_HASH_PIECE = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A file to upload."""

    folder: Path
    """The working directory."""
    name: str
    """The path in it."""
    shown: str
    """The name that leaves this machine: secrets are masked in it."""
    keep_days: int


@dataclass(frozen=True, kw_only=True)
class _Measured:
    """What a file was when it was looked at."""

    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class _Address:
    """Where the file goes."""

    file_id: str
    url: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    until: float
    """By the monotonic clock."""


class Upload:
    """One upload."""

    def __init__(
        self,
        artifact: Artifact,
        job_id: str,
        call: Call,
        storage: Storage,
        *,
        began: Callable[[str], None],
        waiting: Callable[[str], None],
        sent: Callable[[int, int], None],
        patience: Patience,
        file_id: str | None = None,
    ) -> None:
        """Make an upload.

        Args:
            artifact: what to upload.
            job_id: whose it is.
            call: asks the server.
            storage: takes the bytes.
            began: told the id before anything is sent.
            waiting: told why it is tried again.
            sent: told how many bytes of how many are on their way.
            patience: ends the waiting for a store that is away.
            file_id: an earlier process has begun this upload under this id, and may even have ended it.
        """
        self._artifact, self._job_id, self._call, self._storage = artifact, job_id, call, storage
        self._began, self._waiting, self._told = began, waiting, sent
        self._patience, self._farthest = patience, 0
        self._file_id = file_id
        self._address: _Address | None = None
        self._sent = file_id is not None
        self._refusals = 0
        self._backoff = Backoff(first=0.5, most=20.0)
        self.size = 0
        """Bytes of the file as it was sent, or as an earlier process has sent it."""

    async def run(self) -> None:
        """Upload the file.

        Raises:
            RefusedError: the server or the storage does not take it.
            LeavesError: it became a link that leads out of the working directory.
            OSError: it cannot be read.
            RevokedError: this agent was revoked.
            StorageAwayError: the store was away for too long.
        """
        while True:
            try:
                if not self._sent:
                    await self._send()
                await self._complete()
                return
            except AwayError as error:
                self._waiting(str(error))
                self._patience.spend(error)
                await asyncio.sleep(max(self._backoff.next(), error.retry_after))

    async def _send(self) -> None:
        """Put the bytes where they belong, at an address whose time is not over."""
        if self._address is None or time.monotonic() >= self._address.until:
            self._address = await self._presigned()
        address = self._address
        with await _opened(self._artifact) as file:
            try:
                await self._storage.put(address.url, address.headers, file, self.size, self._progress)
            except RefusedError as error:
                if error.status != 412:  # it is there: the answer to an earlier try was lost
                    raise self._again(error) from None
        self._sent = True
        self._patience.progress()
        failpoint("agent.artifact.sent")

    async def _complete(self) -> None:
        """Have the server look at what was sent."""
        try:
            meta = await self._call("POST", f"/agent/files/{self._file_id}/complete")
        except RefusedError as error:
            if error.status not in (404, 409):
                raise
            raise self._again(error) from None  # nothing is there, or it was swept away while we were
        self.size = size if isinstance(size := meta.get("size"), int) else self.size

    def _again(self, error: RefusedError) -> AwayError:
        """Return what has it begin anew with a fresh address, unless that has not helped before."""
        self._sent, self._address = False, None
        self._refusals += 1
        if self._refusals >= _FRESH_TRIES:
            raise error
        return AwayError(str(error))

    async def _presigned(self) -> _Address:
        if self._file_id is not None:  # else it would be shown, and take up room, until it is swept
            with contextlib.suppress(AwayError, RefusedError):
                await self._call("DELETE", f"/agent/files/{self._file_id}")
        measured = await asyncio.to_thread(_measure, self._artifact)
        asked = time.monotonic()
        answer = await self._call("POST", f"/agent/jobs/{self._job_id}/files/presign-upload", self._body(measured))
        match answer:
            case {"fileId": str(file_id), "uploadUrl": str(url)}:
                pass
            case _:
                raise AwayError("The server answers without an address to upload to.")
        self.size, self._file_id = measured.size, file_id
        self._began(file_id)
        lasts = answer.get("expiresInSeconds")
        seconds = float(lasts) if isinstance(lasts, int) else 900.0
        return _Address(
            file_id=file_id,
            url=url,
            headers={str(name): str(value) for name, value in (answer.get("uploadHeaders") or {}).items()},
            until=asked + max(seconds - _MARGIN_SECONDS, seconds / 2),
        )

    def _body(self, measured: _Measured) -> dict[str, Any]:
        body: dict[str, Any] = {
            "filename": wire_name(self._artifact.shown),
            "contentType": media_type(self._artifact.name),
            "cleanupRule": "ttl",
            "ttlSeconds": self._artifact.keep_days * 24 * 60 * 60,
        }
        # An empty file has no size that could be declared: it is counted once it is there.
        return body | ({"size": measured.size, "sha256": measured.sha256} if measured.size else {})

    def _progress(self, done: int) -> None:
        if done > self._farthest:  # a store that breaks off at the same place each time takes nothing
            self._farthest = done
            self._patience.progress()
        self._told(done, self.size)


def wire_name(name: str) -> str:
    """Return a name as the server takes it: text without control characters, of a long one the end."""
    text = printable(name)
    return text if len(text) <= MAX_NAME else "…" + text[1 - MAX_NAME :]


def printable(text: str) -> str:
    """Return text in which nothing ends a line or steers a terminal."""
    return "".join(char if char.isprintable() else "_" for char in text)


async def _opened(artifact: Artifact) -> BinaryIO:
    """Open it in a thread; a cancel waits for that, and leaves nothing open."""
    opening = asyncio.create_task(asyncio.to_thread(_open, artifact))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        await asyncio.wait([opening])
        if opening.exception() is None:
            opening.result().close()
        raise


def _open(artifact: Artifact) -> BinaryIO:
    descriptor = open_inside(artifact.folder, artifact.name)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "it is no regular file any more")
    return open(descriptor, "rb", buffering=0)


def _measure(artifact: Artifact) -> _Measured:
    digest, size = hashlib.sha256(), 0
    with _open(artifact) as file:
        while piece := file.read(_HASH_PIECE):
            digest.update(piece)
            size += len(piece)
            if size > MAX_FILE_BYTES:  # it was smaller when it was found, and may grow for ever
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return _Measured(size=size, sha256=digest.hexdigest())
