"""Removes objects of files that no StoredFile names: left by a death in between, kubectl, or an organization's end.

And measures them: whoever replays an upload's address after the file was deleted stores bytes that nothing counts, and
so does an upload of no announced size until it is completed. Each round gives the sums to whoever decides whether there
is room (`files/measured.py`), and removes at once an uncompleted upload that is larger than a file may be.

Only the replica that holds the Lease does both. The sums go to all others at once, and again every half minute, for one
may have started since.

Deleting what somebody still has would be the worst thing that this part could do. So an object must have been there for
two hours, be unknown to the cache, and be unknown to the API server when that is asked anew; and the bucket must be
ours: an object at its root names the installation that was there first, and another one removes nothing.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from deplite.kube.cache import Cache
from deplite.resources.storedfile import StoredFile
from deplite_apiserver.clock import Clock
from deplite_apiserver.files.measured import Measured
from deplite_apiserver.files.view import FOLDER, FileView, project
from deplite_apiserver.storage.objects import Stored
from deplite_apiserver.sweeper.removal import FileStore, Removal

log = logging.getLogger(__name__)

STRAY_AFTER = timedelta(hours=2)
OWNER_KEY = "installation"
"""The object that names whose bucket it is."""
_PAGE = 1000


class Lister(FileStore, Protocol):
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


@dataclass(kw_only=True)
class _Found:
    """What a round has found so far."""

    nameless: Counter[str] = field(default_factory=Counter)
    """Bytes of objects that no file names, by organization."""
    pending: dict[FileView, int] = field(default_factory=dict)
    """Bytes of uncompleted files beyond what they announced."""
    suspects: dict[str, list[Stored]] = field(default_factory=lambda: defaultdict(list))
    """Objects of the page that may be strays, by organization."""
    too_large: list[FileView] = field(default_factory=list)
    """Uncompleted files of the page that are larger than a file may be."""


class Strays:
    """Goes through all objects of files, page by page."""

    def __init__(
        self,
        *,
        store: Lister,
        bucket: Bucket,
        files: Cache[FileView],
        clock: Clock,
        installation: str,
        measured: Measured,
        max_file_bytes: int,
    ) -> None:
        """Make it.

        Args:
            store: the Kubernetes API.
            bucket: where the objects are.
            files: the cache of files.
            clock: the time.
            installation: what is no other installation's.
            measured: is told what each round measured.
            max_file_bytes: what a file may have.
        """
        self._store, self._bucket, self._files, self._clock = store, bucket, files, clock
        self._installation, self._measured, self._max_file_bytes = installation, measured, max_file_bytes
        self._removal = Removal(store=store, bucket=bucket, files=files)

    async def round(self) -> None:
        """Remove the strays that there are now, and measure what no record tells of."""
        if not await self._ours():
            return
        after, found = "", _Found()
        while page := await self._bucket.list(FOLDER, after=after, most=_PAGE):
            after = page[-1].key
            if not self._files.synced or self._files.failing:
                return
            self._look(page, found)
            await self._remove(found)
        self._measured.take(found.nameless, found.pending)

    async def tell(self) -> None:
        """Tell the other replicas what was measured last."""
        self._measured.tell()

    async def _remove(self, found: _Found) -> None:
        """Remove what a page showed, and count it no more."""
        for namespace, objects in found.suspects.items():
            known = {project(file).key for file in await self._store.list(StoredFile, namespace)}
            if strays := [one for one in objects if one.key not in known]:
                await self._bucket.delete([one.key for one in strays])
                found.nameless[namespace] -= sum(one.size for one in strays)
                log.info("%d stray files removed", len(strays), extra={"action": "strays_removed"})
        for file in found.too_large:
            await self._removal.of(file, lambda now: not now.stored, "too_large")
        found.suspects.clear()
        found.too_large.clear()

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
            "bucket of its own. After a restore, do what docs/files.md says before you delete that object: files whose "
            "records have new uids would be removed.",
            OWNER_KEY,
            extra={"action": "bucket_of_another"},
        )
        return False

    def _look(self, page: Sequence[Stored], found: _Found) -> None:
        before = self._clock.now() - STRAY_AFTER
        for one in page:
            if (place := _place(one.key)) is None:
                continue
            namespace, file_id = place
            file = next((file for file in self._files.by("id", file_id) if file.key == one.key), None)
            if file is None:
                found.nameless[namespace] += one.size
                if one.modified_at <= before:
                    found.suspects[namespace].append(one)
            elif not file.stored:
                found.pending[file] = max(one.size - (file.declared_size or 0), 0)
                if one.size > self._max_file_bytes:
                    found.too_large.append(file)


def _place(key: str) -> tuple[str, str] | None:
    """Return organization and file id of a key; None for one that is not of our making, and not ours to remove."""
    match key.removeprefix(FOLDER).split("/"):
        case [namespace, name] if namespace.startswith("org-") and name.startswith("f-"):
            return namespace, name.rpartition("-")[0]
        case _:
            return None
