"""The credential of the object store, as its two files say it at this moment: a rotated one needs no restart."""

import logging
from dataclasses import dataclass, field
from pathlib import Path

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Keys:
    """A credential, named as minio's are."""

    access_key: str
    """Its name, which addresses and requests show."""
    secret_key: str = field(repr=False)
    session_token: None = None
    """Of temporary credentials, which files do not hold."""


class KeyFiles:
    """As `minio.credentials.Provider`. Reads both files at each use; that takes some microseconds."""

    def __init__(self, access_key_file: Path, secret_key_file: Path) -> None:
        """Read them for the first time.

        Raises:
            OSError: one cannot be read.
            ValueError: one is empty, or no text.
        """
        self._files = access_key_file, secret_key_file
        self._last = self._read()

    def retrieve(self) -> Keys:
        """Return the present credential; while a file cannot be read, the last one that could."""
        try:
            self._last = self._read()
        except (OSError, ValueError) as error:
            log.warning("storage keys not read: %s", type(error).__name__, extra={"action": "storage_keys_unread"})
        return self._last

    def _read(self) -> Keys:
        access, secret = map(read_key, self._files)
        return Keys(access_key=access, secret_key=secret)


def read_key(file: Path) -> str:
    """Return what a file of a credential says.

    Raises:
        OSError: it cannot be read.
        ValueError: it is empty, or no text.
    """
    if not (key := file.read_text().strip()):
        raise ValueError("it is empty")
    return key
