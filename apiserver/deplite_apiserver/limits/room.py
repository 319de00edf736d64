"""How much an organization may have at a time: one tenant shall not fill the cluster for all others.

Counted in the local copies, which hold this replica's own writes at once: what several requests add at the same moment
may go beyond the bound by as many.
"""

from typing import NoReturn

from deplite_apiserver.caches import Caches
from deplite_apiserver.errors import QuotaExceededError
from deplite_apiserver.files.volume import Volume

_RETRY_SECONDS = 30


class Room:
    """The bounds of every organization."""

    def __init__(
        self, caches: Caches, *, max_jobs: int, max_objects: int, max_files: int, max_storage_bytes: int
    ) -> None:
        """Make the bounds.

        Args:
            caches: what is counted.
            max_jobs: unfinished jobs of an organization.
            max_objects: its agents, triggers, API tokens and enrolment codes together.
            max_files: its files, those that are only announced among them.
            max_storage_bytes: what all its files have together.
        """
        self._caches, self._max_jobs, self._max_objects = caches, max_jobs, max_objects
        self._max_files, self._max_bytes = max_files, max_storage_bytes
        self._volume = Volume(caches.files)

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

    def for_file(self, organization: str, size: int) -> None:
        """Check that there is room for another file.

        Args:
            organization: whose it is to be.
            size: its bytes, as far as they are known.

        Raises:
            QuotaExceededError: there are too many files, or too many bytes with it.
        """
        _check("files", self._caches.files.count("namespace", organization), self._max_files)
        self.for_bytes(organization, max(size, 1))

    def for_bytes(self, organization: str, more: int) -> None:
        """Check that there is room for bytes that are not counted yet.

        Raises:
            QuotaExceededError: they would be too many with those that are there.
        """
        found = self._volume.of(organization)
        if more > 0 and found + more > self._max_bytes:
            _refuse(
                f"The organization's files have {found} bytes; they may have {self._max_bytes}.", found, self._max_bytes
            )


def _check(what: str, found: int, most: int) -> None:
    if found >= most:
        _refuse(f"The organization has {found} {what}; it may have {most}.", found, most)


def _refuse(message: str, found: int, most: int) -> NoReturn:
    extra = {"error": "quota_exceeded", "scope": "organization", "limit": most, "observed": found}
    raise QuotaExceededError(message, retry_after=_RETRY_SECONDS, extra=extra)
