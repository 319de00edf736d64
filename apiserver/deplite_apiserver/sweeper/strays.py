"""Removes objects of files that no StoredFile names: left by a death in between, kubectl, or an organization's end.

Deleting what somebody still has would be the worst thing that this part could do. So an object must have been there for
two hours, be unknown to the cache, and be unknown to the API server when that is asked anew; and the bucket must be
ours: an object at its root names the installation that was there first, and another one removes nothing.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from deplite.kube.cache import Cache
from deplite.resources.storedfile import StoredFile
from deplite_apiserver.clock import Clock
from deplite_apiserver.files.view import FOLDER, FileView, project
from deplite_apiserver.storage.objects import Stored

log = logging.getLogger(__name__)

STRAY_AFTER = timedelta(hours=2)
OWNER_KEY = "installation"
"""The object that names whose bucket it is."""
_PAGE = 1000


class Lister(Protocol):
    """What is needed of `KubeClient`."""

    async def list(self, kind: type[StoredFile], namespace: str) -> Sequence[StoredFile]:
        """Return all of a namespace, as they are now."""


class Bucket(Protocol):
    """What is needed of an object store."""

    async def get(self, key: str) -> bytes | None:
        """Return an object; None where there is none."""

    async def put(self, key: str, data: bytes) -> None:
        """Store an object."""

    async def list(self, prefix: str, *, after: str = "", most: int | None = None) -> Sequence[Stored]:
        """Return objects by key, beginning behind `after`."""

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; those that are not there are no error."""


class Strays:
    """Goes through all objects of files, page by page."""

    def __init__(
        self, *, store: Lister, bucket: Bucket, files: Cache[FileView], clock: Clock, installation: str
    ) -> None:
        """Make it.

        Args:
            store: the Kubernetes API.
            bucket: where the objects are.
            files: the cache of files.
            clock: the time.
            installation: what is no other installation's.
        """
        self._store, self._bucket, self._files, self._clock = store, bucket, files, clock
        self._installation = installation

    async def round(self) -> None:
        """Remove the strays that there are now."""
        if not await self._ours():
            return
        after = ""
        while page := await self._bucket.list(FOLDER, after=after, most=_PAGE):
            after = page[-1].key
            if not self._files.synced or self._files.failing:
                return
            for namespace, keys in self._suspects(page).items():
                known = {project(file).key for file in await self._store.list(StoredFile, namespace)}
                if strays := [key for key in keys if key not in known]:
                    await self._bucket.delete(strays)
                    log.info("%d stray files removed", len(strays), extra={"action": "strays_removed"})

    async def _ours(self) -> bool:
        """Whether the bucket is ours; one that is nobody's becomes ours, for nothing in it can be old and another's."""
        owner = await self._bucket.get(OWNER_KEY)
        if owner is None:
            await self._bucket.put(OWNER_KEY, self._installation.encode())
            return True
        if owner.decode(errors="replace").strip() == self._installation:
            return True
        log.error(
            "No stray files are removed: the bucket's object %r names another installation. Give each installation a "
            "bucket of its own; where the other one is gone for good, delete that object.",
            OWNER_KEY,
            extra={"action": "bucket_of_another"},
        )
        return False

    def _suspects(self, page: Sequence[Stored]) -> dict[str, list[str]]:
        """Return the keys that may be strays, by organization."""
        before = self._clock.now() - STRAY_AFTER
        found: dict[str, list[str]] = defaultdict(list)
        for one in page:
            if one.modified_at > before or (place := _place(one.key)) is None:
                continue
            namespace, file_id = place
            if not any(file.key == one.key for file in self._files.by("id", file_id)):
                found[namespace].append(one.key)
        return found


def _place(key: str) -> tuple[str, str] | None:
    """Return organization and file id of a key; None for one that is not of our making, and not ours to remove."""
    match key.removeprefix(FOLDER).split("/"):
        case [namespace, name] if namespace.startswith("org-") and name.startswith("f-"):
            return namespace, name.rpartition("-")[0]
        case _:
            return None
