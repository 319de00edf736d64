"""How many bytes the files of each organization have, counted as they come and go."""

from collections import Counter

from deplite.kube.cache import Cache, Change
from deplite_apiserver.files.view import FileView


class Volume:
    """A running sum over the cache of files; it is to be made before that is filled."""

    def __init__(self, files: Cache[FileView]) -> None:
        self._bytes: Counter[str] = Counter()
        files.subscribe(self._changed)

    def of(self, organization: str) -> int:
        """Return the bytes that are stored, and those that are announced with their size."""
        return self._bytes[organization]

    def _changed(self, change: Change[FileView]) -> None:
        namespace = change.key[0]
        before, after = (max(file.size or 0, 0) if file else 0 for file in (change.old, change.new))
        self._bytes[namespace] += after - before
        if not self._bytes[namespace]:
            del self._bytes[namespace]
