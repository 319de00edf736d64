"""A secret of the app, as its file says it at this moment: a rotated one needs no restart."""

import logging
from pathlib import Path

from deplite_apiserver.storage.credentials import read_key

log = logging.getLogger(__name__)


class SecretFile:
    """One secret. The file is read at each use; that takes some microseconds."""

    def __init__(self, file: Path) -> None:
        """Read it for the first time.

        Raises:
            OSError: it cannot be read.
            ValueError: it is empty, or no text.
        """
        self._file, self._last = file, read_key(file)

    def read(self) -> str:
        """Return the present secret; while the file cannot be read, the last one that could."""
        try:
            self._last = read_key(self._file)
        except (OSError, ValueError) as error:
            log.warning("Slack's secret not read: %s", type(error).__name__, extra={"action": "slack_secret_unread"})
        return self._last
