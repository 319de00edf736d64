"""How much an organization may have at a time: one tenant shall not fill the cluster for all others.

Counted in the local copies, which hold this replica's own writes at once: what several requests add at the same moment
may go beyond the bound by as many.
"""

from deplite_apiserver.caches import Caches
from deplite_apiserver.errors import QuotaExceededError

_RETRY_SECONDS = 30


class Room:
    """The bounds of every organization."""

    def __init__(self, caches: Caches, *, max_jobs: int, max_objects: int) -> None:
        """Make the bounds.

        Args:
            caches: what is counted.
            max_jobs: unfinished jobs of an organization.
            max_objects: its agents, triggers, API tokens and enrolment codes together.
        """
        self._caches, self._max_jobs, self._max_objects = caches, max_jobs, max_objects

    def for_job(self, organization: str) -> None:
        """Check that there is room for another job.

        Raises:
            QuotaExceededError: too many have not ended.
        """
        _check("unfinished jobs", self._caches.jobs.count("open", organization), self._max_jobs)

    def for_object(self, organization: str) -> None:
        """Check that there is room for another agent, trigger, token or code.

        Raises:
            QuotaExceededError: there are too many.
        """
        caches = self._caches
        kinds = (caches.agents, caches.triggers, caches.tokens, caches.enrollments)
        found = sum(cache.count("namespace", organization) for cache in kinds)
        _check("agents, triggers, tokens and enrolment codes", found, self._max_objects)


def _check(what: str, found: int, most: int) -> None:
    if found >= most:
        extra = {"error": "quota_exceeded", "scope": "organization", "limit": most, "observed": found}
        message = f"The organization has {found} {what}; it may have {most}."
        raise QuotaExceededError(message, retry_after=_RETRY_SECONDS, extra=extra)
