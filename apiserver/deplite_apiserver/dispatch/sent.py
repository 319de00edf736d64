"""Which jobs were sent over an open stream, and when first; doing so again after a restart restores the knowledge."""

from collections.abc import Callable, Sequence

from deplite_apiserver.jobs.view import LiveJob

Key = tuple[str, str, str]
"""Namespace, name and uid of a job."""


class Sent:
    """First times of jobs that have not ended."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Make an empty memory.

        Args:
            monotonic: seconds of a clock that never goes back.
        """
        self._monotonic = monotonic
        self._first: dict[Key, float] = {}

    def note(self, job: LiveJob) -> None:
        """Note that it just happened to a job."""
        self._first.setdefault(key_of(job), self._monotonic())

    def age(self, job: LiveJob) -> float | None:
        """Return how many seconds ago it first happened to the job; None where it never did."""
        first = self._first.get(key_of(job))
        return None if first is None else self._monotonic() - first

    async def learn(self, jobs: Sequence[LiveJob]) -> None:
        """Find out about jobs of which only another replica may know; afterwards `age` tells.

        Raises:
            UnavailableError: nobody can say for the moment.
        """

    def forget(self, job: LiveJob) -> None:
        """Drop a job that has ended."""
        self._first.pop(key_of(job), None)


def key_of(job: LiveJob) -> Key:
    """Return what tells a job from all others, also from later ones of its name."""
    return job.namespace, job.name, job.uid
