"""Which unclaimed jobs were sent to an open stream, and when first. Sending again after a restart restores it."""

from collections.abc import Callable

from deplite_apiserver.jobs.view import LiveJob


class Sent:
    """First sendings of jobs that have not ended."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Make an empty memory.

        Args:
            monotonic: seconds of a clock that never goes back.
        """
        self._monotonic = monotonic
        self._first: dict[tuple[str, str, str], float] = {}

    def note(self, job: LiveJob) -> None:
        """Note that a job was just sent."""
        self._first.setdefault(_key(job), self._monotonic())

    def age(self, job: LiveJob) -> float | None:
        """Return how many seconds ago the job was first sent; None where it never was."""
        first = self._first.get(_key(job))
        return None if first is None else self._monotonic() - first

    def forget(self, job: LiveJob) -> None:
        """Drop a job that has ended."""
        self._first.pop(_key(job), None)


def _key(job: LiveJob) -> tuple[str, str, str]:
    return job.namespace, job.name, job.uid
