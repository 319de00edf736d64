"""Connections to a store, by which nothing leaves past the fence."""

import ssl
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from deplite.errors import DepliteError
from deplite.fence import may_leave
from deplite_apiserver.storage.settings import S3Settings


class NotHeldError(DepliteError):
    """Nothing was written: the Lease under which it was to be is over."""


def connections(place: S3Settings, most: int) -> urllib3.PoolManager:
    """Return connections to a store, which must show a certificate of an authority that we trust.

    Args:
        place: where the store is.
        most: how many are kept open.
    """
    pool = urllib3.PoolManager(
        maxsize=most,
        timeout=urllib3.Timeout(connect=3, read=10),
        retries=urllib3.Retry(1, redirect=0, status=0),
        ssl_context=ssl.create_default_context(cafile=place.ca_file),
    )
    pool.pool_classes_by_scheme = {"http": _Plain, "https": _Secure}
    return pool


class _PlainConnection(HTTPConnection):
    def send(self, data: Any) -> None:
        ask()
        if self.sock is None:
            self.connect()
            ask()
        super().send(data)


class _SecureConnection(HTTPSConnection):
    def send(self, data: Any) -> None:  # urllib3 has connected it
        ask()
        super().send(data)


class _Plain(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _Secure(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def ask() -> None:
    """Ask the fence.

    Raises:
        NotHeldError: nothing may leave.
    """
    if not may_leave():
        raise NotHeldError
