"""The one way in which the sweeper removes a file: read again, the record by uid and version, then the object."""

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from deplite.kube.cache import Cache
from deplite.kube.errors import ConflictError, KubeError, NotFoundError, UnavailableError
from deplite.resources.resource import Resource
from deplite.resources.storedfile import StoredFile
from deplite_apiserver.files.view import FileView, project

log = logging.getLogger(__name__)


class FileStore(Protocol):
    """What is needed of `KubeClient`."""

    async def get(self, kind: type[StoredFile], namespace: str, name: str) -> StoredFile:
        """Return the file."""

    async def delete(
        self, kind: type[Resource], namespace: str, name: str, *, uid: str | None = None, version: str | None = None
    ) -> None:
        """Delete one very object, as it was read."""


class Bucket(Protocol):
    """What is needed of an object store."""

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; those that are not there are no error."""


class Removal:
    """Removes files one by one."""

    def __init__(self, *, store: FileStore, bucket: Bucket, files: Cache[FileView]) -> None:
        """Make it.

        Args:
            store: the Kubernetes API.
            bucket: where the objects are.
            files: the cache of files.
        """
        self._store, self._bucket, self._files = store, bucket, files

    async def of(self, seen: FileView, due: Callable[[FileView], bool], reason: str) -> None:
        """Remove a file if it is still due; one that cannot be removed is told of, for the others still can.

        Args:
            seen: the file as the cache has it; it may have been completed just now, and so promised to somebody.
            due: whether it is to go.
            reason: a word for the log.

        Raises:
            UnavailableError: the Kubernetes API or the object store is away.
        """
        try:
            found = await self._store.get(StoredFile, seen.namespace, seen.name)
            file, version = project(found), found.metadata.resource_version
            if not due(file):
                return
            await self._store.delete(StoredFile, file.namespace, file.name, uid=file.uid, version=version)
        except (NotFoundError, ConflictError):  # somebody was faster
            return
        except UnavailableError:
            raise
        except KubeError as error:
            log.warning("file %s not removed: %s", seen.id, error, extra={"action": "remove_failed"})
            return
        self._files.forget(file.namespace, file.name, file.uid)
        await self._bucket.delete([file.key])
        log.info("file %s removed: %s", file.id, reason, extra={"action": "file_removed", "reason": reason})
