"""Secrets that files hold, as they say them at this moment: a rotated one needs no restart."""

import logging
from pathlib import Path

log = logging.getLogger(__name__)


class SecretFiles:
    """Files with one secret each. They are read at each use, together; that takes some microseconds."""

    def __init__(self, *files: Path, what: str, action: str) -> None:
        """Read them for the first time.

        Args:
            files: where they are.
            what: what they hold, for the log.
            action: the log's word for a read that failed.

        Raises:
            OSError: one cannot be read.
            ValueError: one is empty, or no text.
        """
        self._files, self._what, self._action = files, what, action
        self._last = self._read()

    def read(self) -> tuple[str, ...]:
        """Return the present secrets; while a file cannot be read, the last ones that could."""
        try:
            self._last = self._read()
        except (OSError, ValueError) as error:
            log.warning("%s not read: %s", self._what, type(error).__name__, extra={"action": self._action})
        return self._last

    def _read(self) -> tuple[str, ...]:
        return tuple(map(read_secret, self._files))


def read_secret(file: Path) -> str:
    """Return what a file of a secret says.

    Raises:
        OSError: it cannot be read.
        ValueError: it is empty, or no text.
    """
    if not (secret := file.read_text().strip()):
        raise ValueError("it is empty")
    return secret
