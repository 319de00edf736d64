"""Bytes in the bucket that no record tells of, as the last round of `sweeper/strays.py` found them."""

from collections import Counter
from collections.abc import Callable, Mapping

from deplite.kube.cache import Cache, Change
from deplite_apiserver.files.view import FileView

GOOD_SECONDS = 900.0
"""How long a measurement counts, three rounds: who sweeps no more must not go on for ever with what it saw last."""


class Measured:
    """The last measurement, in the memory of the replica that took it.

    Only the replica that holds the Lease measures. With one replica that is all of them; several need a place to share
    the sums, such as the Organization's status, for the others count without them.
    """

    def __init__(self, files: Cache[FileView], monotonic: Callable[[], float]) -> None:
        """Have measured nothing yet.

        Args:
            files: the cache of files.
            monotonic: seconds of a clock that never goes back.
        """
        self._files, self._monotonic = files, monotonic
        self._bytes: Counter[str] = Counter()
        self._pending: dict[str, int] = {}
        """What uncompleted files have beyond what they announced, by uid: counted elsewhere once they are completed."""
        self._taken_at = float("-inf")
        files.subscribe(self._changed)

    def of(self, organization: str) -> int:
        """Return the bytes that no record of the organization tells of."""
        return self._bytes[organization] if self._monotonic() - self._taken_at < GOOD_SECONDS else 0

    def take(self, nameless: Mapping[str, int], pending: Mapping[FileView, int]) -> None:
        """Replace the last measurement.

        Args:
            nameless: bytes of objects that no file names, by organization.
            pending: bytes that files had beyond what they announced when they were not completed yet.
        """
        self._bytes, self._taken_at = Counter(nameless), self._monotonic()
        self._pending = {}
        for file, size in pending.items():
            known = self._files.get(file.namespace, file.name)
            if known is None or known.uid != file.uid or not known.stored:  # not completed meanwhile
                self._bytes[file.namespace] += size
                self._pending[file.uid] = size

    def _changed(self, change: Change[FileView]) -> None:
        if change.new is not None and change.new.stored and (size := self._pending.pop(change.new.uid, None)):
            self._bytes[change.new.namespace] -= size
