"""What a job still has to upload, on the disk beside its journal: an agent that is killed meanwhile goes on with it.

Names in which a secret was masked are not written down, for nobody could mask them again after a restart.
"""

import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from deplite_agent.records import RecordFile, read_records

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Owed:
    """What is owed, as the file says it."""

    folder: Path
    """The job's working directory."""
    patterns: tuple[str, ...]
    keep_days: int
    until: float
    """Unix seconds: what is not uploaded then, is not uploaded at all."""
    names: tuple[str, ...] | None = None
    """The files that were found; None before the search has ended."""
    files: Mapping[str, str] = field(default_factory=dict)
    """The server's ids of those whose upload was begun."""
    stored: frozenset[str] = frozenset()
    """Those that the server has, or that were given up."""


class OwedFile:
    """The file; it is there as long as something is owed.

    A disk that does not take a record costs no upload: only a restart in between would do it again, or not know of it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def exists(self) -> bool:
        """Whether something is owed."""
        return self.path.exists()

    def begin(self, owed: Owed) -> None:
        """Write down what the workflow asks for."""
        self.done()
        self._put(
            {
                "folder": str(owed.folder),
                "patterns": list(owed.patterns),
                "keepDays": owed.keep_days,
                "until": owed.until,
            }
        )

    def found(self, names: tuple[str, ...]) -> None:
        """Write down what the search brought."""
        self._put({"names": list(names)})

    def begun(self, name: str, file_id: str) -> None:
        """Write down that the server knows of a file: after a restart it is asked before anything is sent again."""
        self._put({"begun": name, "file": file_id})

    def stored(self, name: str) -> None:
        """Write down that nothing is left to do for a file."""
        self._put({"stored": name})

    def done(self) -> None:
        """Nothing is owed any more."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)

    def read(self) -> Owed | None:
        """Return what is owed; None where the file does not say it."""
        owed: Owed | None = None
        for record, _ in read_records(self.path):
            try:
                owed = _following(owed, record or {})
            except (TypeError, ValueError):
                break  # what follows a damaged record is not to be trusted
        return owed

    def _put(self, record: dict[str, Any]) -> None:
        try:
            file = RecordFile(self.path)
            try:
                file.append([record])
                file.sync()
            finally:
                file.close()
        except OSError as error:
            log.warning("what is owed is not on the disk: %s", error.strerror, extra={"action": "owed_lost"})


def _following(owed: Owed | None, record: Mapping[str, Any]) -> Owed:
    match record:
        case {"folder": str(folder), "patterns": list(patterns), "keepDays": int(days), "until": float(until)}:
            return Owed(folder=Path(folder), patterns=tuple(map(str, patterns)), keep_days=days, until=until)
        case {"names": list(names)} if owed is not None:
            return replace(owed, names=tuple(map(str, names)))
        case {"begun": str(name), "file": str(file_id)} if owed is not None:
            return replace(owed, files={**owed.files, name: file_id})
        case {"stored": str(name)} if owed is not None:
            return replace(owed, stored=owed.stored | {name})
    raise ValueError("no record that follows")
