"""What lists show of jobs that have left the cluster: one empty object a job, whose key says everything.

`idx/<organization>/<reversed time>-<id>-<uid8>/<row>`: a listing of keys is a list of jobs, newest first, that can be
begun anywhere; nothing has to be merged, and a job that is put twice is there once.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from deplite import base64url
from deplite_apiserver.jobs.row import JobRow
from deplite_apiserver.storage.objects import ObjectStore

_FOREVER = 10**11
"""Counted down from, so that the newest key comes first; in seconds, some three thousand years from now."""
_PART = 200
"""Characters of a key between two slashes: some stores keep each part as the name of a file."""
_TEXT_BYTES = 256
SCAN_KEYS = 1000


@dataclass(frozen=True, kw_only=True)
class Found:
    """A row, and the key behind which a list goes on."""

    row: JobRow
    key: str


class History:
    """Keeps and lists rows. Every method raises `StorageUnavailableError`."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def put(self, organization: str, row: JobRow) -> None:
        """Keep a row; a repeat is the same object."""
        await self._store.put(_key(organization, row), b"", "application/octet-stream")

    async def scan(self, organization: str, after: str) -> Sequence[Found]:
        """Return the next rows behind a position, at most 1 000, newest first; none: that was all.

        Args:
            organization: the namespace.
            after: the key of the last row seen, or what `before` returned; empty for the newest.
        """
        prefix = f"idx/{organization}/"
        listed = await self._store.list(prefix, after=after if after.startswith(prefix) else "", most=SCAN_KEYS)
        return [found for one in listed if (found := _found(one.key)) is not None]

    @staticmethod
    def before(organization: str, seconds: int) -> str:
        """Return the position behind which only jobs queued at that time or earlier are listed."""
        return f"idx/{organization}/{_FOREVER - seconds - 1:012}~"


def _key(organization: str, row: JobRow) -> str:
    """Return a key that every store takes; names of hundreds of foreign letters are cut, the archive has them whole."""
    fitting = replace(row, ref=_cut(row.ref) if row.ref else None, workflow=_cut(row.workflow))
    text = json.dumps(fitting.values(), ensure_ascii=False, separators=(",", ":"))
    row_text = base64url.encode(text.encode())
    parts = "/".join(row_text[start : start + _PART] for start in range(0, len(row_text), _PART))
    return f"idx/{organization}/{_FOREVER - row.queued_at:012}-{row.id}-{row.uid8}/{parts}"


def _cut(text: str) -> str:
    """Return the beginning of a text, at most 256 bytes."""
    return text.encode()[:_TEXT_BYTES].decode("utf-8", "ignore")


def _found(key: str) -> Found | None:
    """Return what a key says; None for one that another version wrote, which only that version reads."""
    try:
        values = json.loads(base64url.decode("".join(key.split("/")[3:])))
        return Found(row=JobRow.from_values(values), key=key)
    except (ValueError, TypeError):
        return None
