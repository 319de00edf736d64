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
        access, secret = (file.read_text().strip() for file in self._files)
        if not access or not secret:
            raise ValueError("a key file of the object store is empty")
        return Keys(access_key=access, secret_key=secret)
