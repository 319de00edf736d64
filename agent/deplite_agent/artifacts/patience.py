"""How long uploads of a job wait for an object store that is away while all else is well."""

import time
from collections.abc import Callable

from deplite_agent.errors import AwayError, StorageAwayError

GIVE_UP_SECONDS = 900.0
"""A job that has ended is not shown as running much longer than this, and its group not held up, for uploads alone."""


class Patience:
    """That of all uploads of one job."""

    def __init__(self, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.seconds, self._monotonic = seconds, monotonic
        self._since: float | None = None

    def progress(self) -> None:
        """The store has taken something."""
        self._since = None

    def spend(self, error: AwayError) -> None:
        """Bear one more failure that may pass.

        While the server itself is away nobody can be told how the job ended: that time counts for nothing.

        Raises:
            StorageAwayError: the store alone has been away for as long as we wait.
        """
        if not isinstance(error, StorageAwayError):
            self._since = None
            return
        now = self._monotonic()
        if self._since is None:
            self._since = now
        elif now - self._since >= self.seconds:
            raise error
