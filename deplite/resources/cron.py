"""Fire times of a schedule: five cron fields in a time zone. Pure; as Debian's cron where the clock changes.

A fixed time of day (neither the minute nor the hour begins with `*`) that a change of the clock leaves out fires at the
first moment after the gap, and one that comes twice fires the first time. All others go by the clock on the wall: what
is left out does not fire, and what comes twice fires twice.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from deplite.resources.trigger import Schedule

_ZONE = re.compile(r"(?!localtime$)[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")
_FIELDS = "minute, hour, day of month, month, day of week"
_SOME_MOMENT = datetime(2024, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)


@lru_cache(maxsize=4096)
def schedule_problem(schedule: Schedule) -> str | None:
    """Return what is wrong with a schedule, the field's name first and without a full stop; None: nothing."""
    if not _known(schedule.time_zone):
        return "timeZone: a name of the IANA time zone database is needed, as Europe/Berlin"
    if len(schedule.cron.split()) != len(_FIELDS.split(", ")):
        return f"cron: five fields are needed ({_FIELDS})"
    try:
        fires = next(CronSim(schedule.cron, _SOME_MOMENT), None)
    except CronSimError as error:
        return f"cron: {str(error).lower()}; the fields are {_FIELDS}"
    return "cron: no moment fits these fields" if fires is None else None


def next_fire(schedule: Schedule, after: datetime) -> datetime | None:
    """Return the first fire time after a moment, in UTC; None where the schedule is wrong."""
    return None if schedule_problem(schedule) else next(_fires(schedule, after), None)


def latest_fire(schedule: Schedule, since: datetime, until: datetime) -> datetime | None:
    """Return the last fire time after `since` and not after `until`, in UTC; None where there is none."""
    if schedule_problem(schedule):
        return None
    for begin in (max(since, until - _HOUR), since):
        found = None
        for fire in _fires(schedule, begin):
            if fire > until:
                break
            found = fire
        if found is not None:
            return found
    return None


def _fires(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    last = after
    for local in CronSim(schedule.cron, after.astimezone(ZoneInfo(schedule.time_zone))):
        fire = local.astimezone(UTC)
        # Where an hour comes twice, the second one's fixed times lie in the first.
        if fire > last:
            last = fire
            yield fire


def _known(zone: str) -> bool:
    if not _ZONE.fullmatch(zone):
        return False
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
