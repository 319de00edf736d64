"""What becomes of a job after its end: its log is merged, later the object is archived and deleted. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from deplite_apiserver.jobs.view import FinishedJob

MERGE_AFTER = timedelta(minutes=5)
"""After the end, when late lines have come."""
OWED_FOR = timedelta(hours=1)
"""A job whose card does not show its end yet stays so much longer: Slack may be away."""
DISCARD_AFTER = 60.0
"""Seconds between writing the new form of something and deleting the old one: readers may be half way."""


class Duty(Enum):
    """What is due for one finished job."""

    NOTHING = "nothing"
    MERGE_LOG = "merge_log"
    DISCARD_PARTS = "discard_parts"
    ARCHIVE = "archive"
    DELETE = "delete"


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What this process has done for one finished job; monotonic seconds, None: not yet."""

    merged_at: float | None = None
    discarded: bool = False
    archived_at: float | None = None


def duty(job: FinishedJob, progress: Progress, now: datetime, monotonic: float) -> Duty:
    """Return the next thing that is due."""
    if progress.archived_at is not None:
        return Duty.DELETE if monotonic - progress.archived_at >= DISCARD_AFTER else Duty.NOTHING
    age, ttl = now - job.finished_at, timedelta(seconds=job.ttl_seconds)
    if progress.merged_at is None:
        return Duty.MERGE_LOG if age >= min(MERGE_AFTER, ttl) else Duty.NOTHING
    if not progress.discarded:
        return Duty.DISCARD_PARTS if monotonic - progress.merged_at >= DISCARD_AFTER else Duty.NOTHING
    stays = ttl if job.notice is None else ttl + OWED_FOR
    return Duty.ARCHIVE if age >= stays else Duty.NOTHING
