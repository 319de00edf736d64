"""Connections to a store, by which nothing leaves past the fence."""

import ssl
from collections.abc import Iterator
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from deplite.errors import DepliteError
from deplite.fence import may_leave
from deplite_apiserver.storage.settings import S3Settings

BLOCK = 1 << 18
"""Bytes that leave between two looks at the fence, within one time-out."""


class NotHeldError(DepliteError):
    """Not sent, or not once more: the Lease under which it was to be written is over."""


def connections(place: S3Settings, most: int) -> urllib3.PoolManager:
    """Return connections to a store, which must show a certificate of an authority that we trust.

    Args:
        place: where the store is.
        most: how many are kept open.
    """
    return gated(
        urllib3.PoolManager(
            maxsize=most,
            timeout=urllib3.Timeout(connect=3, read=10),
            retries=urllib3.Retry(1, redirect=0, status=0),
            ssl_context=ssl.create_default_context(cafile=place.ca_file)
            if place.endpoint.startswith("https:")
            else None,
        )
    )


def gated(pool: urllib3.PoolManager) -> urllib3.PoolManager:
    """Let the fence be asked at what leaves by connections of this pool."""
    pool.pool_classes_by_scheme = {"http": _Plain, "https": _Secure}
    return pool


class _PlainConnection(HTTPConnection):
    def send(self, data: Any) -> None:
        if self.sock is None:
            refuse_if_over()
            self.connect()
        for block in _blocks(data):
            super().send(block)


class _SecureConnection(HTTPSConnection):
    def send(self, data: Any) -> None:  # urllib3 has connected it
        for block in _blocks(data):
            super().send(block)


class _Plain(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _Secure(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def _blocks(data: Any) -> Iterator[Any]:
    """Cut what is to be sent into blocks, and ask the fence for each; `data` is bytes, as urllib3 has it."""
    view = memoryview(data)
    for start in range(0, len(view), BLOCK):
        refuse_if_over()
        yield view[start : start + BLOCK]


def refuse_if_over() -> None:
    """Ask the fence.

    Raises:
        NotHeldError: nothing may leave.
    """
    if not may_leave():
        raise NotHeldError
