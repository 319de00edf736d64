"""What is asked of an object store, and what it says when it is away."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from deplite.fence import Left
from deplite_apiserver.errors import UnavailableError


class StorageUnavailableError(UnavailableError):
    """The object store did not answer, or did not do what it was asked: nothing is to be promised."""

    code = "storage_unavailable"
    default = "The log and file storage does not answer; try again in a few seconds."

    def __init__(self) -> None:
        super().__init__(retry_after=5)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """One object of a listing."""

    key: str
    size: int
    """Bytes."""
    modified_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """What the store says of an object without its bytes."""

    size: int
    """Bytes."""
    etag: str
    """Of these very bytes, without quotes: another upload has another one."""
    content_type: str
    sha256: str | None
    """In hex, as the store checked it; None where the uploader declared none or the store does not say."""


class ObjectStore(Protocol):
    """A bucket. Every method raises `StorageUnavailableError`."""

    async def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        """Store an object, replacing one of that key."""

    async def get(self, key: str, *, offset: int = 0, length: int = 0) -> bytes | None:
        """Return an object, or `length` bytes of it from `offset`; None where there is none."""

    async def head(self, key: str) -> Head | None:
        """Return what there is to say of an object; None where there is none."""

    async def list(self, prefix: str, *, after: str = "", most: int | None = None) -> list[Stored]:
        """Return the objects whose key begins with `prefix` and comes behind `after`, by key; at most `most`."""

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; those that are not there are no error."""

    async def close(self) -> None:
        """Let go of threads and connections."""


class FenceableStore(ObjectStore, Protocol):
    """A bucket that one may write to for a time only."""

    def fenced(self, left: Left) -> ObjectStore:
        """Return this store for somebody whose writes pass only while `left`, in seconds from now, is more than 0."""
