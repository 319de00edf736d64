"""The S3 API by the minio client, which blocks: each call runs on one of a bounded number of threads."""

import asyncio
import io
import itertools
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit
from xml.etree.ElementTree import ParseError

import urllib3
from minio import Minio
from minio.deleteobjects import DeleteObject
from minio.error import MinioException, S3Error

from deplite.patience import patience
from deplite_apiserver.storage.objects import StorageUnavailableError, Stored

log = logging.getLogger(__name__)

THREADS = 32
"""Calls at a time; as many connections are kept open."""
CALL_SECONDS = 20
"""How long one call may take, waiting for a thread included; callers over HTTP have less patience."""
_MISSING = frozenset({"NoSuchKey", "NoSuchObject"})
_DELETE_AT_ONCE = 1000

Answer = TypeVar("Answer")


class S3Store:
    """One bucket of an S3 server; as `deplite_apiserver.storage.objects.ObjectStore`."""

    def __init__(self, endpoint: str, bucket: str, access_key: str, secret_key: str, region: str = "us-east-1") -> None:
        """Make a client; nothing is sent yet.

        Args:
            endpoint: `http(s)://host:port`.
            bucket: the bucket, which exists.
            access_key: the name of the credential.
            secret_key: the credential.
            region: the region that requests are signed for.
        """
        parts = urlsplit(endpoint)
        self._bucket = bucket
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="s3")
        self._pool = urllib3.PoolManager(
            maxsize=THREADS, timeout=urllib3.Timeout(connect=3, read=10), retries=urllib3.Retry(1, redirect=0, status=0)
        )
        self._client = Minio(
            endpoint=parts.netloc,
            access_key=access_key,
            secret_key=secret_key,
            secure=parts.scheme == "https",
            region=region,
            http_client=self._pool,
        )

    async def close(self) -> None:
        """Let go of threads and connections; a call that hangs is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._pool.clear()

    async def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        """Store an object, replacing one of that key."""

        def call() -> None:
            written = self._client.put_object(
                bucket_name=self._bucket,
                object_name=key,
                data=io.BytesIO(data),
                length=len(data),
                content_type=content_type,
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
            failed = list(self._client.remove_objects(bucket_name=self._bucket, delete_object_list=wanted))
            if failed:
                raise MinioException(f"{len(failed)} objects were not deleted")

        for start in range(0, len(keys), _DELETE_AT_ONCE):
            batch = keys[start : start + _DELETE_AT_ONCE]
            await self._run("delete", partial(call, batch))

    async def _run(self, action: str, call: Callable[[], Answer]) -> Answer:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(patience(CALL_SECONDS)):
                return await loop.run_in_executor(self._threads, call)
        except (MinioException, urllib3.exceptions.HTTPError, OSError, ValueError, ParseError, TimeoutError) as error:
            log.warning("storage %s failed: %s", action, _said(error), extra={"action": "storage_failed"})
            raise StorageUnavailableError from error


def _said(error: Any) -> str:
    """Name an error without its request: a signed URL is a credential."""
    return f"{type(error).__name__} {error.code}" if isinstance(error, S3Error) else type(error).__name__
