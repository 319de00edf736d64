"""The S3 API by the minio client, which blocks: each call runs on one of a bounded number of threads."""

import asyncio
import copy
import io
import itertools
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit
from xml.etree.ElementTree import ParseError

import urllib3
from minio import Minio
from minio.deleteobjects import DeleteObject
from minio.error import MinioException, S3Error

from deplite.fence import Left, fence
from deplite.patience import patience
from deplite_apiserver.storage.checksum import to_hex
from deplite_apiserver.storage.connections import NotHeldError, connections, gated, refuse_if_over
from deplite_apiserver.storage.credentials import KeyFiles
from deplite_apiserver.storage.objects import Head, StorageUnavailableError, Stored
from deplite_apiserver.storage.settings import S3Settings

log = logging.getLogger(__name__)

THREADS = 32
"""Calls at a time; as many connections are kept open."""
CALL_SECONDS = 20
"""How long one call may take, waiting for a thread included; callers over HTTP have less patience."""
_MISSING = frozenset({"NoSuchKey", "NoSuchObject"})
_DELETE_AT_ONCE = 1000
_SMALLEST_PART = 5 << 20

Answer = TypeVar("Answer")


_FAILURES = (
    MinioException,
    urllib3.exceptions.HTTPError,
    OSError,
    ValueError,
    ParseError,
    TimeoutError,
    NotHeldError,
)
"""Nothing of these may be promised."""


class S3Store:
    """One bucket of an S3 server; as `deplite_apiserver.storage.objects.ObjectStore`."""

    def __init__(
        self,
        place: S3Settings,
        pool: urllib3.PoolManager | None = None,
        observe: Callable[[str, bool, float], None] = lambda action, done, seconds: None,
    ) -> None:
        """Make a client; nothing is sent yet.

        Args:
            place: the bucket, which exists.
            pool: the connections; None: those of `connections`.
            observe: is told of each call that the store did or failed: what, whether it was done, and how many seconds
                it took. Of one that was given up, or never sent, nothing is known.

        Raises:
            OSError: a file of the credential or of the authorities cannot be read.
        """
        parts = urlsplit(place.endpoint)
        self._bucket, self._observe = place.bucket, observe
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="s3")
        self._pool = connections(place, THREADS) if pool is None else gated(pool)
        self._client = Minio(
            endpoint=parts.netloc,
            credentials=KeyFiles(place.access_key_file, place.secret_key_file),
            secure=parts.scheme == "https",
            region=place.region,
            http_client=self._pool,
        )
        if place.style == "host":
            self._client.enable_virtual_style_endpoint()
        else:
            self._client.disable_virtual_style_endpoint()

        self._left: Left | None = None
        """None: it may always write."""

    def fenced(self, left: Left) -> "S3Store":
        """Return this store for somebody who may write only while a Lease is his; threads and connections are the same.

        Args:
            left: for how many seconds from now it is; asked in the thread before each write, and whenever bytes of one
                leave. Safe for threads.
        """
        other = copy.copy(self)
        other._left = left
        return other

    async def close(self) -> None:
        """Let go of threads and connections; a call that hangs is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._pool.clear()

    async def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        """Store an object, replacing one of that key."""

        def call() -> None:
            with self._fence():
                written = self._client.put_object(
                    bucket_name=self._bucket,
                    object_name=key,
                    data=io.BytesIO(data),
                    length=len(data),
                    content_type=content_type,
                    part_size=max(len(data), _SMALLEST_PART),  # parts are sent by threads of the library's own
                )
            if not written.etag:  # a store that answers 200 with an error in the body has stored nothing
                raise MinioException("the store answered without an ETag")

        await self._run("put", call)

    async def get(self, key: str, *, offset: int = 0, length: int = 0) -> bytes | None:
        """Return an object, or `length` bytes of it from `offset`; None where there is none."""

        def call() -> bytes | None:
            try:
                response = self._client.get_object(
                    bucket_name=self._bucket, object_name=key, offset=offset, length=length
                )
            except S3Error as error:
                if error.code in _MISSING:
                    return None
                raise
            try:
                data: bytes = response.read()
                return data
            finally:
                response.close()
                response.release_conn()

        return await self._run("get", call)

    async def head(self, key: str) -> Head | None:
        """Return what there is to say of an object; None where there is none."""

        def call() -> Head | None:
            try:
                found = self._client.stat_object(
                    bucket_name=self._bucket, object_name=key, extra_headers={"x-amz-checksum-mode": "ENABLED"}
                )
            except S3Error as error:
                if error.code in _MISSING:
                    return None
                raise
            checksum = (found.metadata or {}).get("x-amz-checksum-sha256")
            return Head(
                size=found.size or 0,
                etag=found.etag or "",
                content_type=found.content_type or "",
                sha256=to_hex(checksum),
            )

        return await self._run("head", call)

    async def list(self, prefix: str, *, after: str = "", most: int | None = None) -> list[Stored]:
        """Return the objects whose key begins with `prefix` and comes behind `after`, by key; at most `most`."""

        def call() -> list[Stored]:
            found = self._client.list_objects(
                bucket_name=self._bucket, prefix=prefix, recursive=True, start_after=after or None
            )
            return [
                Stored(key=one.object_name, size=one.size, modified_at=one.last_modified)
                for one in itertools.islice(found, most)
            ]

        return await self._run("list", call)

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; those that are not there are no error."""

        def call(batch: Sequence[str]) -> None:
            wanted = [DeleteObject(key) for key in batch]
            with self._fence():
                failed = list(self._client.remove_objects(bucket_name=self._bucket, delete_object_list=wanted))
            if failed:
                raise MinioException(f"{len(failed)} objects were not deleted")

        for start in range(0, len(keys), _DELETE_AT_ONCE):
            batch = keys[start : start + _DELETE_AT_ONCE]
            await self._run("delete", partial(call, batch))

    @contextmanager
    def _fence(self) -> Iterator[None]:
        """Refuse a write that comes too late: it waited for a thread, for the store, or the process stood still."""
        with fence(self._left):
            refuse_if_over()
            yield

    async def _run(self, action: str, call: Callable[[], Answer]) -> Answer:
        loop = asyncio.get_running_loop()
        began = time.monotonic()
        try:
            async with asyncio.timeout(patience(CALL_SECONDS)):
                answer = await loop.run_in_executor(self._threads, call)
        except _FAILURES as error:
            if not isinstance(error, NotHeldError):
                self._observe(action, False, time.monotonic() - began)
            log.warning("storage %s failed: %s", action, _said(error), extra={"action": "storage_failed"})
            raise StorageUnavailableError from error
        self._observe(action, True, time.monotonic() - began)
        return answer


def _said(error: Any) -> str:
    """Name an error without its request: a signed URL is a credential."""
    return f"{type(error).__name__} {error.code}" if isinstance(error, S3Error) else type(error).__name__
