"""Which jobs were sent over an open stream, and when first; doing so again after a restart restores the knowledge."""

from collections.abc import Callable

from deplite_apiserver.jobs.view import LiveJob


class Sent:
    """First times of jobs that have not ended."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Make an empty memory.

        Args:
            monotonic: seconds of a clock that never goes back.
        """
        self._monotonic = monotonic
        self._first: dict[tuple[str, str, str], float] = {}

    def note(self, job: LiveJob) -> None:
        """Note that it just happened to a job."""
        self._first.setdefault(_key(job), self._monotonic())

    def age(self, job: LiveJob) -> float | None:
        """Return how many seconds ago it first happened to the job; None where it never did."""
        first = self._first.get(_key(job))
        return None if first is None else self._monotonic() - first

    def forget(self, job: LiveJob) -> None:
        """Drop a job that has ended."""
        self._first.pop(_key(job), None)


def _key(job: LiveJob) -> tuple[str, str, str]:
    return job.namespace, job.name, job.uid
