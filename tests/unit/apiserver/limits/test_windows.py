"""Fixed UTC windows, and the decision over several of them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from deplite.resources.limits import RateLimit
from deplite_apiserver.limits.limiter import refusal
from deplite_apiserver.limits.windows import Quota, judge, quotas

NOW = datetime(2026, 5, 31, 13, 42, 18, tzinfo=UTC)


def quota(window: str, limit: int = 1) -> Quota:
    return Quota(key="token:x", scope="token", window=window, limit=limit)


@pytest.mark.parametrize(
    ("window", "now", "start", "left"),
    [
        ("minute", NOW, datetime(2026, 5, 31, 13, 42, tzinfo=UTC), 42),
        ("hour", NOW, datetime(2026, 5, 31, 13, tzinfo=UTC), 17 * 60 + 42),
        ("day", NOW, datetime(2026, 5, 31, tzinfo=UTC), 10 * 3600 + 17 * 60 + 42),
        ("minute", datetime(2026, 5, 31, 13, 42, tzinfo=UTC), datetime(2026, 5, 31, 13, 42, tzinfo=UTC), 60),
        ("minute", NOW.replace(second=59, microsecond=999_999), datetime(2026, 5, 31, 13, 42, tzinfo=UTC), 1),
        ("minute", NOW.replace(second=59, microsecond=1), datetime(2026, 5, 31, 13, 42, tzinfo=UTC), 1),
        ("minute", NOW.replace(second=58, microsecond=1), datetime(2026, 5, 31, 13, 42, tzinfo=UTC), 2),
        ("day", NOW.astimezone(timezone(timedelta(hours=9))), datetime(2026, 5, 31, tzinfo=UTC), 37_062),
    ],
)
def test_windows_are_aligned_to_utc(window: str, now: datetime, start: datetime, left: int) -> None:
    assert quota(window).window_start(now) == start.timestamp()
    assert quota(window).seconds_left(now) == left


@pytest.mark.parametrize(
    ("counts", "window", "observed"),
    [
        ([0, 0, 0], None, None),
        ([9, 99, 999], None, None),
        ([10, 0, 0], "minute", 10),
        ([11, 0, 0], "minute", 11),
        ([10, 100, 0], "hour", 100),
        ([10, 100, 1000], "day", 1000),
        ([0, 100, 0], "hour", 100),
    ],
)
def test_the_exhausted_window_that_ends_last_decides(counts: list[int], window: str | None, observed: int) -> None:
    checked = quotas("k", "token", RateLimit(per_minute=10, per_hour=100, per_day=1000))
    found = judge(checked, counts, NOW)
    assert (found.quota.window if found else None) == window
    if found is not None:
        assert (found.observed, found.retry_after) == (observed, found.quota.seconds_left(NOW))


def test_only_bounds_that_are_set_are_checked() -> None:
    assert quotas("k", "token", RateLimit()) == ()
    assert [one.window for one in quotas("k", "token", RateLimit(per_hour=3))] == ["hour"]


def test_a_refusal_speaks_to_both_kinds_of_client() -> None:
    found = judge([quota("minute")], [1], NOW)
    assert found is not None
    error = refusal(found)
    assert (error.code, error.retry_after) == ("rate_limited", 42)
    assert error.extra == {
        "error": "rate_limited",
        "scope": "token",
        "window": "minute",
        "limit": 1,
        "observed": 1,
    }
