"""Fire times: which expressions there are, and what they mean where the clock changes."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deplite.resources.cron import latest_fire, next_fire, schedule_problem
from deplite.resources.trigger import Schedule

BERLIN = "Europe/Berlin"
"""In 2026 the clock goes from 02:00 to 03:00 on 29 March, and from 03:00 to 02:00 on 25 October, both at 01:00 UTC."""


def schedule(cron: str, zone: str = "UTC") -> Schedule:
    return Schedule(cron=cron, time_zone=zone)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fires(cron: str, zone: str, after: str, count: int) -> list[str]:
    """Return the next fire times as UTC day, hour and minute."""
    moment, found = at(after), []
    for _ in range(count):
        following = next_fire(schedule(cron, zone), moment)
        assert following is not None
        assert following > moment
        moment = following
        found.append(f"{moment:%d %H:%M}")
    return found


@pytest.mark.parametrize(
    ("cron", "zone", "after", "expected"),
    [
        ("*/15 * * * *", "UTC", "2026-05-31T13:42:18", ["31 13:45", "31 14:00", "31 14:15"]),
        ("0 4 * * *", "Asia/Seoul", "2026-05-31T00:00", ["31 19:00", "01 19:00"]),
        ("0 9 * * MON-FRI", "UTC", "2026-05-29T09:00", ["01 09:00", "02 09:00"]),
        ("0 0 L * *", "UTC", "2026-02-01T00:00", ["28 00:00", "31 00:00"]),
        ("0 0 1,15 * *", "UTC", "2026-05-31T00:00", ["01 00:00", "15 00:00"]),
        ("0 12 29 2 *", "UTC", "2026-05-31T00:00", ["29 12:00"]),
        # The hour from 02:00 to 03:00 is left out: a fixed time comes at 03:00 once, others do not come.
        ("30 2 * * *", BERLIN, "2026-03-28T00:00", ["28 01:30", "29 01:00", "30 00:30"]),
        ("0,30 2 * * *", BERLIN, "2026-03-29T00:00", ["29 01:00", "30 00:00", "30 00:30"]),
        ("*/30 2 * * *", BERLIN, "2026-03-28T01:40", ["30 00:00", "30 00:30"]),
        ("30 * * * *", BERLIN, "2026-03-29T00:00", ["29 00:30", "29 01:30"]),
        # The hour from 02:00 to 03:00 comes twice: a fixed time comes in the first, others in both.
        ("30 2 * * *", BERLIN, "2026-10-24T12:00", ["25 00:30", "26 01:30"]),
        ("30 2 * * *", BERLIN, "2026-10-25T01:10", ["26 01:30"]),
        ("*/30 2 * * *", BERLIN, "2026-10-24T12:00", ["25 00:00", "25 00:30", "25 01:00", "25 01:30", "26 01:00"]),
        ("30 * * * *", BERLIN, "2026-10-25T00:00", ["25 00:30", "25 01:30", "25 02:30"]),
    ],
)
def test_fire_times(cron: str, zone: str, after: str, expected: list[str]) -> None:
    assert fires(cron, zone, after, len(expected)) == expected


@pytest.mark.parametrize(
    ("cron", "zone", "problem"),
    [
        ("0 4 * * *", "UTC", None),
        ("@daily", "UTC", "cron"),
        ("* * * *", "UTC", "cron"),
        ("0 0 4 * * *", "UTC", "cron"),
        ("60 4 * * *", "UTC", "cron"),
        ("0 4 * * 8", "UTC", "cron"),
        ("0 4 31 2 *", "UTC", "cron"),
        ("0 4 * * \N{SUPERSCRIPT TWO}L", "UTC", "cron"),
        ("0 4 * * *", "Mars/Olympus", "timeZone"),
        ("0 4 * * *", "../etc/passwd", "timeZone"),
        ("0 4 * * *", "/etc/localtime", "timeZone"),
        ("0 4 * * *", "localtime", "timeZone"),
        ("0 4 * * *", "Europe", "timeZone"),
        ("0 4 * * *", "Europe/Berlin\n", "timeZone"),
    ],
)
def test_what_is_wrong_is_named(cron: str, zone: str, problem: str | None) -> None:
    found = schedule_problem(schedule(cron, zone))
    assert (found.partition(":")[0] if found else None) == problem
    assert (next_fire(schedule(cron, zone), at("2026-05-31T00:00")) is None) is (problem is not None)
    assert problem is None or latest_fire(schedule(cron, zone), at("2026-05-01T00:00"), at("2026-05-31T00:00")) is None


@given(cron=st.text("0123456789*,-/#LWMONFEBjan \t", min_size=1, max_size=24) | st.text(min_size=1, max_size=128))
def test_any_text_is_a_schedule_or_has_a_problem(cron: str) -> None:
    problem = schedule_problem(schedule(cron))
    assert (next_fire(schedule(cron), at("2026-05-31T00:00")) is None) is (problem is not None)


FIELD = st.sampled_from(["*", "*/7", "0", "2", "1-3", "2,3"])


@given(
    minute=FIELD, hour=FIELD, start=st.integers(0, 3 * 24 * 60), change=st.sampled_from(["2026-03-28", "2026-10-24"])
)
def test_the_latest_is_the_last_of_all_that_follow_each_other(minute: str, hour: str, start: int, change: str) -> None:
    cron = schedule(f"{minute} {hour} * * *", BERLIN)
    since = at(change) + timedelta(minutes=start)
    until, last, moment = since + timedelta(hours=30), None, since
    while (following := next_fire(cron, moment)) is not None and following <= until:
        assert following > moment
        last = moment = following
    assert latest_fire(cron, since, until) == last
