"""What is remembered of logs has a bound over all of them."""

import pytest

from deplite_apiserver.logs.lines import MAX_RANGES
from deplite_apiserver.storage import tracked
from deplite_apiserver.storage.pieces import LogName
from deplite_apiserver.storage.tracked import TrackedLogs


def name(number: int) -> LogName:
    return LogName(organization="org-a", storage_key=f"j-{number}-0a1b2c3d")


def sparse(logs: TrackedLogs, number: int, ranges: int) -> None:
    one = logs.use(name(number))
    for seq in range(ranges):
        one.known.add(seq * 1000)
    logs.weigh(one)


def kept(logs: TrackedLogs) -> list[LogName]:
    return [found for found, _ in logs.items()]


def test_one_log_is_never_more_than_so_many_ranges() -> None:
    logs = TrackedLogs()
    sparse(logs, 0, 3 * MAX_RANGES)
    known = logs.use(name(0)).known
    assert len(known) == MAX_RANGES
    assert (3 * MAX_RANGES - 1) * 1000 in known  # those that repeats are likely of
    assert 0 not in known


def test_logs_that_hold_much_push_out_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracked, "MAX_HELD", 100)
    logs = TrackedLogs()
    for number in range(4):
        sparse(logs, number, 40)
    assert kept(logs) == [name(2), name(3)]
    sparse(logs, 4, 300)
    assert kept(logs) == [name(4)]
    sparse(logs, 5, 1)
    assert kept(logs) == [name(5)]


async def test_a_log_that_is_being_written_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracked, "MAX_LOGS", 1)
    logs = TrackedLogs()
    async with logs.use(name(0)).lock:
        logs.use(name(1))
        assert kept(logs) == [name(0), name(1)]
    logs.use(name(2))
    assert kept(logs) == [name(2)]
