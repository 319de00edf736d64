"""How much an organization may have at a time: one tenant shall not fill the cluster for all others.

Counted in the local copies, which hold this replica's own writes at once. What several requests add at the same moment
may go beyond the bound of jobs and objects by as many; room for files is reserved in the step that looks for it.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from deplite_apiserver.caches import Caches
from deplite_apiserver.clock import Clock
from deplite_apiserver.errors import QuotaExceededError
from deplite_apiserver.files.lingering import Lingering
from deplite_apiserver.files.measured import Measured
from deplite_apiserver.files.volume import Volume

_RETRY_SECONDS = 30


class Room:
    """The bounds of every organization.

    Attributes:
        measured: what the sweeper finds in the bucket; it counts when a file is announced.
    """

    def __init__(
        self, caches: Caches, clock: Clock, *, max_jobs: int, max_objects: int, max_files: int, max_storage_bytes: int
    ) -> None:
        """Make the bounds.

        Args:
            caches: what is counted.
            clock: the time.
            max_jobs: unfinished jobs of an organization.
            max_objects: its agents, triggers, API tokens, enrolment codes and Slack workspaces together.
            max_files: its files, those that are only announced among them.
            max_storage_bytes: what all its files have together.
        """
        self._caches, self._max_jobs, self._max_objects = caches, max_jobs, max_objects
        self._max_files, self._max_bytes = max_files, max_storage_bytes
        self._volume, self._lingering = Volume(caches.files), Lingering(caches.files, clock.now)
        self.measured = Measured(caches.files, clock.monotonic)
        self._reserved_files: Counter[str] = Counter()
        self._reserved_bytes: Counter[str] = Counter()

    def for_job(self, organization: str) -> None:
        """Check that there is room for another job.

        Raises:
            QuotaExceededError: too many have not ended.
        """
        _check("unfinished jobs", self._caches.jobs.count("open", organization), self._max_jobs)

    def for_object(self, organization: str) -> None:
        """Check that there is room for another agent, trigger, token, code or Slack workspace.

        Raises:
            QuotaExceededError: there are too many.
        """
        caches = self._caches
        kinds = (caches.agents, caches.triggers, caches.tokens, caches.enrollments, caches.slack)
        found = sum(cache.count("namespace", organization) for cache in kinds)
        _check("agents, triggers, tokens, enrolment codes and Slack workspaces", found, self._max_objects)

    @contextmanager
    def for_file(self, organization: str, size: int) -> Iterator[None]:
        """Reserve room for another file until the block ends: then the local copies have it, or it was not made.

        Args:
            organization: whose it is to be.
            size: its bytes, as far as they are known.

        Raises:
            QuotaExceededError: there are too many files, or too many bytes with it.
        """
        found = self._caches.files.count("namespace", organization) + self._reserved_files[organization]
        found += self._lingering.of(organization)[0]
        _check("files, those deleted minutes after they were announced among them", found, self._max_files)
        self._check_bytes(organization, max(size, 1), self.measured.of(organization))
        self._reserved_files[organization] += 1
        try:
            with self._reserved(organization, size):
                yield
        finally:
            self._reserved_files -= Counter({organization: 1})

    @contextmanager
    def for_bytes(self, organization: str, more: int) -> Iterator[None]:
        """Reserve room for bytes of a file that is there, and that are not counted yet, until the block ends.

        What was measured in the bucket does not count: the file's own bytes may be among it.

        Raises:
            QuotaExceededError: they would be too many with those that are there.
        """
        if more > 0:
            self._check_bytes(organization, more, 0)
        with self._reserved(organization, max(more, 0)):
            yield

    def _check_bytes(self, organization: str, more: int, measured: int) -> None:
        found = self._volume.of(organization) + self._reserved_bytes[organization] + measured
        found += self._lingering.of(organization)[1]
        if found + more > self._max_bytes:
            _refuse(
                f"The organization's files have {found} bytes; they may have {self._max_bytes}.", found, self._max_bytes
            )

    @contextmanager
    def _reserved(self, organization: str, size: int) -> Iterator[None]:
        self._reserved_bytes[organization] += size
        try:
            yield
        finally:
            self._reserved_bytes -= Counter({organization: size})


def _check(what: str, found: int, most: int) -> None:
    if found >= most:
        _refuse(f"The organization has {found} {what}; it may have {most}.", found, most)


def _refuse(message: str, found: int, most: int) -> NoReturn:
    extra = {"error": "quota_exceeded", "scope": "organization", "limit": most, "observed": found}
    raise QuotaExceededError(message, retry_after=_RETRY_SECONDS, extra=extra)
