"""What a scheduled trigger should do now."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deplite.resources.trigger import ScheduleStatus, Trigger
from deplite_apiserver.sweeper.fires import LOOK_BACK, ON_TIME, Fire, Skip, due, planned, settled
from tests.unit.apiserver.jobs.builders import trigger

HOURLY = {"cron": "0 * * * *", "timeZone": "UTC"}
SECOND = timedelta(seconds=1)
NOON = datetime(2026, 5, 31, 12, tzinfo=UTC)


def hourly(known: dict[str, Any] | None = None, *, missed: str = "skip", **spec: Any) -> Trigger:
    """Return an hourly trigger whose status says `known`; none: it was never looked at."""
    made = trigger(**{"type": "schedule", "schedule": HOURLY | {"missedRuns": missed}} | spec)
    status = None if known is None else ScheduleStatus.model_validate(HOURLY | known)
    return made.model_copy(update={"status": made.status.model_copy(update={"schedule": status})})


def next_of(found: Trigger, now: datetime) -> datetime | None:
    plan = planned(found, now)
    assert plan is not None
    return plan.next_fire_at


def test_a_new_schedule_begins_now_and_misses_nothing() -> None:
    for missed in ("skip", "latest"):
        found = hourly(missed=missed)
        assert due(found, NOON) is None
        assert next_of(found, NOON) == NOON + timedelta(hours=1)


@pytest.mark.parametrize("other", [{"cron": "0 4 * * *"}, {"timeZone": "Asia/Seoul"}])
def test_a_changed_schedule_begins_anew(other: dict[str, str]) -> None:
    found = hourly({"nextFireAt": NOON, "lastFireAt": NOON} | other, missed="latest")
    plan = planned(found, NOON + timedelta(minutes=5))
    assert due(found, NOON + timedelta(minutes=5)) is None
    assert plan is not None
    assert (plan.cron, plan.time_zone) == ("0 * * * *", "UTC")
    assert (plan.next_fire_at, plan.last_fire_at) == (NOON + timedelta(hours=1), NOON)


def test_a_suspended_one_waits_and_begins_anew_when_resumed() -> None:
    found = hourly({"nextFireAt": NOON}, missed="latest", suspended=True)
    assert due(found, NOON + SECOND) is None
    assert next_of(found, NOON + SECOND) is None
    resumed = hourly({}, missed="latest")
    assert due(resumed, NOON + SECOND) is None
    assert next_of(resumed, NOON + SECOND) == NOON + timedelta(hours=1)


@pytest.mark.parametrize("wrong", [{"cron": "0 0 31 2 *"}, {"cron": "0 * * * *", "timeZone": "Mars/Olympus"}])
def test_a_wrong_one_never_fires(wrong: dict[str, str]) -> None:
    found = hourly(schedule=wrong)
    assert due(found, NOON) is None
    assert next_of(found, NOON) is None


def test_of_another_type_nothing_is_said() -> None:
    found = trigger()
    assert (due(found, NOON), planned(found, NOON)) == (None, None)


LATEST = NOON + timedelta(hours=3)


@pytest.mark.parametrize(
    ("missed", "now", "expected"),
    [
        ("skip", NOON - SECOND, None),
        ("skip", NOON, Fire(at=NOON)),
        ("skip", NOON + ON_TIME, Fire(at=NOON)),
        ("skip", NOON + ON_TIME + SECOND, NOON),
        ("skip", LATEST + SECOND, Fire(at=LATEST)),
        ("skip", LATEST + timedelta(minutes=5), LATEST),
        ("latest", LATEST + timedelta(minutes=5), Fire(at=LATEST)),
        ("latest", NOON + timedelta(days=3, minutes=5), Fire(at=NOON + timedelta(days=3))),
    ],
)
def test_missed_fire_times(missed: str, now: datetime, expected: Fire | datetime | None) -> None:
    found = due(hourly({"nextFireAt": NOON}, missed=missed), now)
    if isinstance(expected, datetime):
        assert isinstance(found, Skip)
        assert (found.at, found.code) == (expected, "missed_run")
    else:
        assert found == expected


@pytest.mark.parametrize(("age", "runs"), [(LOOK_BACK - SECOND, True), (LOOK_BACK + SECOND, False)])
def test_a_fire_time_older_than_the_look_back_is_not_made_up_for(age: timedelta, runs: bool) -> None:
    weekly = {"cron": "0 12 * * SUN", "timeZone": "UTC"}
    made = hourly(weekly | {"nextFireAt": NOON}, schedule=weekly | {"missedRuns": "latest"})
    found = due(made, NOON + age)
    assert found is not None
    assert (isinstance(found, Fire), found.at) == (runs, NOON)


def test_afterwards_it_waits_for_the_next_fire_time() -> None:
    now = NOON + timedelta(hours=2, minutes=5)
    fired = settled(hourly({"nextFireAt": NOON}), Fire(at=NOON), now)
    skipped = settled(hourly({"nextFireAt": NOON}), Skip(at=NOON, code="c", message="M."), now)
    assert fired is not None
    assert skipped is not None
    assert fired.next_fire_at == skipped.next_fire_at == NOON + timedelta(hours=3)
    assert (fired.last_fire_at, fired.last_skipped_at) == (NOON, None)
    assert (skipped.last_fire_at, skipped.last_skipped_at) == (None, NOON)
    assert (skipped.last_skipped_code, skipped.last_skipped_message) == ("c", "M.")
