"""What a scheduled trigger should do now, and what its status says afterwards. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from deplite.resources.cron import latest_fire, next_fire
from deplite.resources.trigger import ScheduleStatus, Trigger

ON_TIME = timedelta(seconds=60)
"""A fire time that passed no longer ago than this is not missed: a replica that took over still acts on it."""
LOOK_BACK = timedelta(days=1)
"""How old a missed fire time may be that `latest` still runs. Its job, had it been made, would be in the cluster still
(48 hours at least), so that its name keeps it from running twice."""


@dataclass(frozen=True, kw_only=True)
class Fire:
    """A run is due."""

    at: datetime
    """The fire time."""


@dataclass(frozen=True, kw_only=True)
class Skip:
    """A fire time came and started nothing."""

    at: datetime
    code: str
    """`missed_run`, or the wire code of what refused the run."""
    message: str


def pending(trigger: Trigger, now: datetime) -> bool:
    """Whether something became due, or the status does not say what it should."""
    known = planned(trigger, now)
    if known != trigger.status.schedule:
        return True
    return known is not None and known.next_fire_at is not None and known.next_fire_at <= now


def due(trigger: Trigger, now: datetime) -> Fire | Skip | None:
    """Return what became due; of several fire times only the latest counts."""
    schedule, known = trigger.spec.schedule, planned(trigger, now)
    if schedule is None or known is None or known.next_fire_at is None or known.next_fire_at > now:
        return None
    since = max(known.next_fire_at - timedelta(seconds=1), now - LOOK_BACK)
    at = latest_fire(schedule, since, now)
    if at is not None and (now - at <= ON_TIME or schedule.missed_runs == "latest"):
        return Fire(at=at)
    return Skip(at=at or known.next_fire_at, code="missed_run", message="Nobody could act at that time.")


def planned(trigger: Trigger, now: datetime) -> ScheduleStatus | None:
    """Return what the status should say of the schedule before anything fires; None: nothing.

    A schedule that is new, changed or resumed begins now: what it would have done before is not missed.
    """
    schedule, known = trigger.spec.schedule, trigger.status.schedule
    if trigger.spec.type != "schedule" or schedule is None:
        return None
    if known is None or (known.cron, known.time_zone) != (schedule.cron, schedule.time_zone):
        fresh = {"cron": schedule.cron, "time_zone": schedule.time_zone, "next_fire_at": None}
        known = (known or ScheduleStatus(cron=schedule.cron, time_zone=schedule.time_zone)).model_copy(update=fresh)
    if trigger.spec.suspended:
        return known.model_copy(update={"next_fire_at": None})
    if known.next_fire_at is None:
        return known.model_copy(update={"next_fire_at": next_fire(schedule, now)})
    return known


def settled(trigger: Trigger, outcome: Fire | Skip, now: datetime) -> ScheduleStatus | None:
    """Return what the status should say once a fire time is dealt with."""
    known, schedule = planned(trigger, now), trigger.spec.schedule
    if known is None or schedule is None:
        return known
    done = {"next_fire_at": next_fire(schedule, now)}
    if isinstance(outcome, Fire):
        return known.model_copy(update=done | {"last_fire_at": outcome.at})
    skipped = {
        "last_skipped_at": outcome.at,
        "last_skipped_code": outcome.code,
        "last_skipped_message": outcome.message,
    }
    return known.model_copy(update=done | skipped)
