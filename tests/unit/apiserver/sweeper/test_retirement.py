"""What becomes of a finished job, step by step."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deplite.resources.notify import SlackNotice
from deplite_apiserver.jobs.view import FinishedJob, project
from deplite_apiserver.sweeper.retirement import DISCARD_AFTER, OWED_FOR, Duty, Progress, duty
from tests.unit.apiserver.jobs.builders import job_body

ENDED = datetime(2026, 5, 31, 13, 44, 53, tzinfo=UTC)
TTL = 172_800
FRESH, MERGED = Progress(), Progress(merged_at=0.0, discarded=True)


def finished(ttl: int = TTL) -> FinishedJob:
    body = job_body(spec={"ttlSecondsAfterFinished": ttl}, phase="Succeeded", finishedAt="2026-05-31T13:44:53Z")
    view = project(body)
    assert isinstance(view, FinishedJob)
    return view


@pytest.mark.parametrize(
    ("age", "progress", "monotonic", "expected"),
    [
        (0, FRESH, 0, Duty.NOTHING),
        (299, FRESH, 0, Duty.NOTHING),
        (300, FRESH, 0, Duty.MERGE_LOG),
        (10 * TTL, FRESH, 0, Duty.MERGE_LOG),
        (10 * TTL, Progress(merged_at=100.0), 100 + DISCARD_AFTER - 1, Duty.NOTHING),
        (300, Progress(merged_at=100.0), 100 + DISCARD_AFTER, Duty.DISCARD_PARTS),
        (TTL - 1, MERGED, 1e9, Duty.NOTHING),
        (TTL, MERGED, 0, Duty.ARCHIVE),
        (TTL, Progress(merged_at=0.0, discarded=True, archived_at=500.0), 500 + DISCARD_AFTER - 1, Duty.NOTHING),
        (TTL, Progress(merged_at=0.0, discarded=True, archived_at=500.0), 500 + DISCARD_AFTER, Duty.DELETE),
    ],
)
def test_table(age: float, progress: Progress, monotonic: float, expected: Duty) -> None:
    assert duty(finished(), progress, ENDED + timedelta(seconds=age), monotonic) is expected


def test_a_short_time_to_live_does_not_wait_for_late_lines() -> None:
    assert duty(finished(60), FRESH, ENDED + timedelta(seconds=59), 0) is Duty.NOTHING
    assert duty(finished(60), FRESH, ENDED + timedelta(seconds=60), 0) is Duty.MERGE_LOG


@pytest.mark.parametrize("ttl", [60, 299, 300, TTL])
def test_the_steps_come_in_their_order_and_none_twice(ttl: int) -> None:
    progress, steps, monotonic = FRESH, [], 0.0
    apply: dict[Duty, Any] = {
        Duty.MERGE_LOG: lambda at: Progress(merged_at=at),
        Duty.DISCARD_PARTS: lambda at: MERGED,
        Duty.ARCHIVE: lambda at: Progress(merged_at=0.0, discarded=True, archived_at=at),
    }
    while not steps or steps[-1] is not Duty.DELETE:
        due = duty(finished(ttl), progress, ENDED + timedelta(seconds=monotonic), monotonic)
        if due in apply:
            progress = apply[due](monotonic)
        steps += [due] if due is not Duty.NOTHING else []
        monotonic += 15
        assert monotonic < 10 * TTL
    assert steps == [Duty.MERGE_LOG, Duty.DISCARD_PARTS, Duty.ARCHIVE, Duty.DELETE]
    assert monotonic >= ttl + DISCARD_AFTER


def test_a_job_whose_card_is_owed_stays_an_hour_longer_and_no_more() -> None:
    owing = replace(finished(60), notice=SlackNotice(channel="C024BE91L"))
    ends = ENDED + timedelta(seconds=60)
    assert duty(owing, MERGED, ends + OWED_FOR - timedelta(seconds=1), 0) is Duty.NOTHING
    assert duty(owing, MERGED, ends + OWED_FOR, 0) is Duty.ARCHIVE
