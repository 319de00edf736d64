"""A bucket in memory, for the pure logic above it; what a real S3 server does is asked in `tests/kube`."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from deplite_apiserver.storage.objects import Head, StorageUnavailableError, Stored


class Bucket:
    """As `deplite_apiserver.storage.objects.ObjectStore`."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime(2026, 5, 31, tzinfo=UTC)) -> None:
        self.now = now
        self.objects: dict[str, tuple[bytes, datetime]] = {}
        self.away = False
        self.reads: list[str] = []

    async def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        self._answer()
        self.objects[key] = (data, self.now())

    async def get(self, key: str, *, offset: int = 0, length: int = 0) -> bytes | None:
        self._answer()
        self.reads.append(key)
        if key not in self.objects:
            return None
        data = self.objects[key][0]
        return data[offset : offset + length] if length else data[offset:]

    async def head(self, key: str) -> Head | None:
        self._answer()
        if key not in self.objects:
            return None
        data = self.objects[key][0]
        etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        return Head(size=len(data), etag=etag, content_type="application/octet-stream", sha256=None)

    async def list(self, prefix: str, *, after: str = "", most: int | None = None) -> list[Stored]:
        self._answer()
        found = [
            Stored(key=key, size=len(data), modified_at=at)
            for key, (data, at) in sorted(self.objects.items())
            if key.startswith(prefix) and key > after
        ]
        return found[:most]

    async def delete(self, keys: Sequence[str]) -> None:
        self._answer()
        for key in keys:
            self.objects.pop(key, None)

    async def close(self) -> None:
        self.objects.clear()

    def _answer(self) -> None:
        if self.away:
            raise StorageUnavailableError
