"""The jobs of an organization, newest first: those in the cluster, then those that have left it."""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from deplite_apiserver.edge.pages import bad_cursor, decode_cursor, encode_cursor
from deplite_apiserver.jobs.row import JobRow
from deplite_apiserver.jobs.view import JobView
from deplite_apiserver.storage.history import History

MAX_SCANS = 20
"""Listings of 1 000 old jobs for one page; a rare one's list goes on with the cursor."""


class Jobs(Protocol):
    """What is needed of the cache of jobs."""

    def get(self, namespace: str, name: str) -> JobView | None:
        """Return a job."""

    def values(self) -> Iterable[JobView]:
        """Return all jobs."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which jobs are asked for; None: all."""

    trigger_id: str | None = None
    agent_id: str | None = None
    statuses: frozenset[str] = frozenset()
    since: datetime | None = None
    """Queued at this moment or later."""
    until: datetime | None = None
    """Queued before this moment."""

    def covers(self, row: JobRow) -> bool:
        """Whether a job is one of them."""
        return (
            (self.trigger_id is None or row.trigger_id == self.trigger_id)
            and (self.agent_id is None or row.agent_id == self.agent_id)
            and (not self.statuses or row.status in self.statuses)
            and (self.since is None or row.queued_at >= self.since.timestamp())
            and (self.until is None or row.queued_at < self.until.timestamp())
        )


@dataclass(frozen=True, kw_only=True)
class Page:
    """Rows, and where the next page begins; None: this is the last one."""

    rows: Sequence[JobRow]
    cursor: str | None


class Listing:
    """Lists jobs."""

    def __init__(self, jobs: Jobs, history: History) -> None:
        self._jobs, self._history = jobs, history

    async def page(self, organization: str, wanted: Wanted, limit: int, cursor: str | None) -> Page:
        """Return one page.

        Raises:
            ValidationFailedError: the cursor is none of ours.
            StorageUnavailableError: jobs that have left the cluster cannot be listed now.
        """
        kind, _, position = (decode_cursor(cursor) if cursor is not None else "cluster:").partition(":")
        rows: list[JobRow] = []
        match kind:
            case "cluster":
                rows = self._in_cluster(organization, wanted, limit, _order(position))
                if len(rows) > limit:
                    last = rows[limit - 1]
                    return Page(rows=rows[:limit], cursor=encode_cursor(f"cluster:{last.queued_at} {last.id}"))
                position = ""
            case "history" if position.startswith(f"idx/{organization}/"):
                pass
            case _:
                raise bad_cursor()
        return await self._with_history(organization, wanted, limit, rows, position)

    def _in_cluster(
        self, organization: str, wanted: Wanted, limit: int, before: tuple[int, str] | None
    ) -> list[JobRow]:
        rows = (JobRow.of(job) for job in self._jobs.values() if job.namespace == organization)
        found = (row for row in rows if wanted.covers(row) and (before is None or _place(row) < before))
        return heapq.nlargest(limit + 1, found, key=_place)

    async def _with_history(
        self, organization: str, wanted: Wanted, limit: int, rows: list[JobRow], position: str
    ) -> Page:
        """Fill a page with jobs that have left the cluster."""
        if not position and wanted.until is not None:
            position = self._history.before(organization, int(wanted.until.timestamp()))
        for _ in range(MAX_SCANS):
            found = await self._history.scan(organization, position)
            if not found:
                return Page(rows=rows, cursor=None)
            for one in found:
                if len(rows) == limit:
                    return Page(rows=rows, cursor=encode_cursor(f"history:{position or f'idx/{organization}/'}"))
                position = one.key
                if wanted.since is not None and one.row.queued_at < wanted.since.timestamp():
                    return Page(rows=rows, cursor=None)
                if wanted.covers(one.row) and not self._is_in_cluster(organization, one.row):
                    rows.append(one.row)
        return Page(rows=rows, cursor=encode_cursor(f"history:{position}"))

    def _is_in_cluster(self, organization: str, row: JobRow) -> bool:
        """Whether the job was listed there: it is deleted a minute after it came into the history."""
        job = self._jobs.get(organization, row.id)
        return job is not None and job.uid8 == row.uid8


def _place(row: JobRow) -> tuple[int, str]:
    return row.queued_at, row.id


def _order(position: str) -> tuple[int, str] | None:
    if not position:
        return None
    seconds, _, job_id = position.partition(" ")
    if not seconds.isdecimal():
        raise bad_cursor()
    return int(seconds), job_id
