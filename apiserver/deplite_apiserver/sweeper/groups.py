"""Concurrency groups: whose turn it is, and who has to make room. Pure: all of it follows from the jobs as they are.

The jobs of a group run one at a time in the order of their creation. A job has the group from its turn, which is
written into its status before it is sent anywhere, to its end.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from deplite_apiserver.jobs.view import LiveJob


@dataclass(frozen=True, kw_only=True)
class Step:
    """What is to be done in a group now."""

    superseded: tuple[LiveJob, ...]
    """Jobs to cancel in favour of `by`."""
    by: LiveJob | None
    next: LiveJob | None
    """The job whose turn it is now; None while one has it, or nobody waits."""


def step(members: Iterable[LiveJob]) -> Step:
    """Return what is to be done, by all unfinished jobs of the group."""
    line = sorted(members, key=place)
    newest = max((number for number, job in enumerate(line) if job.replaces and job.cancel is None), default=0)
    superseded = tuple(job for job in line[:newest] if job.cancel is None)
    waiting = [job for job in line[newest:] if job.waits_for_group and job.cancel is None]
    free = all(job.waits_for_group for job in line)
    return Step(
        superseded=superseded,
        by=line[newest] if superseded else None,
        next=waiting[0] if waiting and free else None,
    )


def place(job: LiveJob) -> tuple[datetime, int, str]:
    """Return what the jobs of a group are ordered by."""
    return job.created_at, job.place, job.name
