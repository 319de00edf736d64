"""Bytes in the bucket that no record tells of, as the last round of `sweeper/strays.py` found them.

The replica that holds the sweeper's Lease measures, and tells the others; each decides by itself whether there is room.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from deplite.kube.cache import Cache, Change
from deplite_apiserver.files.view import FileView

GOOD_SECONDS = 900.0
"""How long a measurement counts, three rounds: who sweeps no more must not go on for ever with what it saw last."""
MOST_TOLD = 2000
"""Organizations, and uncompleted files, that the others are told of: those with the most bytes."""
MARGIN_SECONDS = 5.0
"""What is older by so little is the same measurement, on its way for longer."""

File = tuple[str, str, str]
"""Namespace, name and uid of a file."""


class Measured:
    """The last measurement, as this replica took it or was told of it."""

    def __init__(self, files: Cache[FileView], monotonic: Callable[[], float]) -> None:
        """Know of none yet.

        Args:
            files: the cache of files.
            monotonic: seconds of a clock that never goes back.
        """
        self._files, self._monotonic = files, monotonic
        self._bytes: Counter[str] = Counter()
        self._pending: dict[File, int] = {}
        """What uncompleted files have beyond what they announced: counted elsewhere once they are completed."""
        self._taken_at = float("-inf")
        self._ring: Callable[[Any], None] = lambda _: None
        files.subscribe(self._changed)

    def attach(self, ring: Callable[[Any], None]) -> None:
        """Say how the other replicas are told; they `hear` the same."""
        self._ring = ring

    def of(self, organization: str) -> int:
        """Return the bytes that no record of the organization tells of."""
        return self._bytes[organization] if self._age < GOOD_SECONDS else 0

    def take(self, nameless: Mapping[str, int], pending: Mapping[FileView, int]) -> None:
        """Replace the last measurement, and tell of this one.

        Args:
            nameless: bytes of objects that no file names, by organization.
            pending: bytes that files had beyond what they announced when they were not completed yet.
        """
        found = Counter(nameless)
        for file, size in pending.items():
            found[file.namespace] += size
        self._replace(found, {(file.namespace, file.name, file.uid): size for file, size in pending.items()})
        self._taken_at = self._monotonic()
        self.tell()

    def tell(self) -> None:
        """Tell the others what was measured last, as long as it counts: also those that have started since."""
        if self._age < GOOD_SECONDS:
            pending = Counter(self._pending).most_common(MOST_TOLD)
            self._ring(
                {
                    "age": self._age,
                    "bytes": dict(self._bytes.most_common(MOST_TOLD)),
                    "pending": [[*file, size] for file, size in pending],
                }
            )

    def hear(self, told: Any) -> None:
        """Take over what another replica has measured, unless a later measurement is known."""
        taken_at = self._monotonic() - told["age"]
        if taken_at > self._taken_at - MARGIN_SECONDS:
            pending = {(namespace, name, uid): size for namespace, name, uid, size in told["pending"]}
            self._replace(Counter(told["bytes"]), pending)
            self._taken_at = taken_at

    @property
    def _age(self) -> float:
        return self._monotonic() - self._taken_at

    def _replace(self, found: Counter[str], pending: Mapping[File, int]) -> None:
        self._bytes, self._pending = found, {}
        for file, size in pending.items():
            namespace, name, uid = file
            known = self._files.get(namespace, name)
            if known is not None and known.uid == uid and known.stored:  # completed meanwhile
                self._bytes[namespace] -= size
            else:
                self._pending[file] = size

    def _changed(self, change: Change[FileView]) -> None:
        new = change.new
        if new is not None and new.stored and (size := self._pending.pop((new.namespace, new.name, new.uid), None)):
            self._bytes[new.namespace] -= size
