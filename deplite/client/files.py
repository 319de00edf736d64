"""Files of an organization: up, down, listed, deleted."""

import contextlib
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from deplite.amounts import spelled_bytes
from deplite.client.api import Api
from deplite.client.errors import AwayError, FileError, RefusedError
from deplite.client.transfer import Transfer
from deplite.mediatypes import media_type

Told = Callable[[str, int, int], None]
"""Told what is being done, how many bytes of it are done, and of how many."""
Meta = dict[str, Any]
_ID = re.compile(r"f-[a-z2-7]{16}")
_PIECE = 1024 * 1024
_STORE_TRIES = 3
"""How often the store may refuse an address before it is believed."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """How a file is to be kept."""

    rule: str | None = None
    """`ttl` or `persistent`; None: as the server does."""
    ttl_seconds: int | None = None
    binding: str | None = None

    def body(self) -> dict[str, Any]:
        """Return its part of a presign."""
        said = {"cleanupRule": self.rule, "ttlSeconds": self.ttl_seconds, "bindingId": self.binding}
        return {key: value for key, value in said.items() if value is not None}


class Files:
    """The files that a caller may see."""

    def __init__(self, api: Api, transfer: Transfer) -> None:
        self._api, self._transfer = api, transfer
        self._path = api.caller.files

    def list(self, *, status: str | None = None, job: str | None = None, binding: str | None = None) -> Iterator[Meta]:
        """Yield the files, newest first; errors as `Api.call`."""
        query = {"status": status, "bindingId": binding}
        if self._api.caller.organization is not None:
            query |= {"jobId": job, "limit": "200"}
        for meta in self._api.pages(self._path, {key: value for key, value in query.items() if value is not None}):
            if job is None or meta.get("jobId") == job:
                yield meta

    def find(self, name: str, *, job: str | None = None) -> Meta:
        """Return a file by its id or, the newest one, by its name.

        Raises:
            FileError: there is none.
        """
        if _ID.fullmatch(name):
            return dict(self._api.call("GET", f"{self._path}/{name}"))
        for meta in self.list(status="stored", job=job):
            if meta.get("filename") == name:
                return meta
        where = f" of the job {job}" if job else ""
        raise FileError(f"There is no file named {name}{where}; `deplite files list` shows what there is.")

    def delete(self, file_id: str) -> None:
        """Delete a file by its id; errors as `Api.call`."""
        if not _ID.fullmatch(file_id):
            raise FileError(f"{file_id} is no id of a file (f-…); `deplite files list` shows them.")
        self._api.call("DELETE", f"{self._path}/{file_id}")

    def upload(self, path: Path, wish: Wish, told: Told) -> Meta:
        """Upload a file and return what the server says of it.

        Raises:
            FileError: it cannot be read, or it changed meanwhile, or the storage broke off too often.
            RefusedError: the server does not take it.
        """
        with _reading(path) as file:
            size = os.fstat(file.fileno()).st_size
            digest = _digest(file, size, lambda done: told("checking", done, size))
            body = {"filename": path.name, "contentType": media_type(path.name)} | wish.body()
            body |= {"size": size, "sha256": digest} if size else {}
            try:
                return self._sent(file, body, size, lambda done: told("uploading", done, size))
            except AwayError as error:
                raise FileError(
                    f"The upload of {path} did not get through: {error} Nothing of it is kept; run the same again."
                ) from None
            except RefusedError as error:
                # 400 is the store's word for a wrong checksum.
                if error.status != 400 and error.code != "upload_mismatch":
                    raise
                message = f"{path} changed while it was uploaded: upload it when nobody writes to it."
                raise FileError(message) from None

    def _sent(self, file: BinaryIO, body: dict[str, Any], size: int, told: Callable[[int], None]) -> Meta:
        for left in reversed(range(_STORE_TRIES)):
            address = self._api.call("POST", f"{self._path}/presign-upload", body)
            try:
                self._api.tried(partial(self._put, file, address, size, told))
                return dict(self._api.call("POST", f"{self._path}/{address['fileId']}/complete"))
            except RefusedError as error:
                # An address whose time is over, or an object that was swept away: a fresh one helps.
                if not left or error.status not in (403, 404, 409):
                    raise
        raise AssertionError("unreachable")

    def _put(self, file: BinaryIO, address: dict[str, Any], size: int, told: Callable[[int], None]) -> None:
        file.seek(0)
        try:
            self._transfer.put(address["uploadUrl"], address.get("uploadHeaders") or {}, file, size, told)
        except RefusedError as error:
            if error.status != 412:  # it is there: the answer to an earlier try was lost
                raise

    def download(self, meta: Meta, target: Path, told: Told) -> None:
        """Download a file whole and right, or not at all: it gets its name only once its checksum is right.

        Raises:
            FileError: it cannot be written, or is damaged, or the storage broke off too often.
            RefusedError: the server does not give it.
        """
        part = target.with_name(f".{target.name}.{meta['id']}.part")
        try:
            # Others may write in that folder, too: a link that somebody has put there under this name is not followed.
            with open(os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666), "r+b") as file:
                self._fetch(meta, file, told)
                _verify(meta, file, part, told)
                os.fsync(file.fileno())
            part.replace(target)
        except OSError as error:
            raise FileError(f"{target} cannot be written ({error.strerror}): name another place with -o.") from None

    def _fetch(self, meta: Meta, file: BinaryIO, told: Told) -> None:
        size, had = int(meta["size"] or 0), -1
        while (have := file.seek(0, os.SEEK_END)) > had:  # as long as the tries bring something
            had = have
            try:
                self._api.tried(partial(self._fetch_rest, meta, file, size, told))
                return
            except AwayError as error:
                away = error
        got = f"{spelled_bytes(have)} of {spelled_bytes(size)} are here"
        raise FileError(f"{away} {got}: run the same again, it goes on from there.")

    def _fetch_rest(self, meta: Meta, file: BinaryIO, size: int, told: Told) -> None:
        have = file.seek(0, os.SEEK_END)
        if have == size and size:
            return
        url = self._api.call("GET", f"{self._path}/{meta['id']}/download-url", tries=1)["downloadUrl"]
        begin = have if have < size else 0
        self._transfer.get(url, file, begin, lambda done: told("downloading", done, size))


def _verify(meta: Meta, file: BinaryIO, part: Path, told: Told) -> None:
    size = file.seek(0, os.SEEK_END)
    wanted, expected = meta.get("sha256"), meta.get("size")
    file.seek(0)
    right = expected in (None, size)
    if right and wanted:
        right = _digest(file, size, lambda done: told("checking", done, size)) == wanted
    if not right:
        part.unlink(missing_ok=True)
        raise FileError(f"What came of {meta['id']} is damaged, and was thrown away: run the same again.")


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[BinaryIO]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise FileError(f"{path} cannot be read ({error.strerror}).") from None
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        pack = f"is a folder: pack it first (tar czf {path.name or 'files'}.tar.gz {path})."
        raise FileError(f"{path} {pack if stat.S_ISDIR(mode) else 'is no regular file: write it to one first.'}")
    with open(descriptor, "rb", buffering=0) as file:
        yield file


def _digest(file: BinaryIO, size: int, told: Callable[[int], None]) -> str:
    digest, done = hashlib.sha256(), 0
    while done < size and (piece := file.read(min(_PIECE, size - done))):
        digest.update(piece)
        done += len(piece)
        told(done)
    return digest.hexdigest()


def plain_name(name: str | None, file_id: str) -> str:
    """Return the last part of a name that somebody else chose, as a file may be called here: seen, and no option."""
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    plain = "".join(char for char in last if char.isprintable())
    return plain.lstrip(".- ") or file_id
