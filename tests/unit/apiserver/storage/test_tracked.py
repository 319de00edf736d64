"""What is remembered of logs has a bound over all of them."""

import pytest

from deplite_apiserver.logs.lines import MAX_RANGES
from deplite_apiserver.storage import tracked
from deplite_apiserver.storage.pieces import LogName
from deplite_apiserver.storage.tracked import TrackedLogs


def name(number: int, organization: str = "org-a") -> LogName:
    return LogName(organization=organization, storage_key=f"j-{number}-0a1b2c3d")


def sparse(logs: TrackedLogs, number: int, ranges: int, organization: str = "org-a") -> None:
    one = logs.use(name(number, organization))
    for seq in range(ranges):
        one.known.add(seq * 1000)
    logs.weigh(name(number, organization), one)


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


def test_sparse_logs_of_one_organization_push_out_its_own_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracked, "MAX_HELD", 100)
    logs = TrackedLogs()
    quiet = [name(number, "org-b") for number in range(10)]
    for number in range(10):
        sparse(logs, number, 2, "org-b")
    for number in range(20):
        sparse(logs, number, 30)
    assert kept(logs) == [*quiet, name(18), name(19)]
    sparse(logs, 20, 90)
    assert kept(logs) == [*quiet, name(20)]
    logs.use(quiet[0])
    assert kept(logs) == [*quiet[1:], quiet[0]], "the log that holds too much goes at the next use of another"


def test_what_was_forgotten_while_it_was_written_counts_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracked, "MAX_LOGS", 1)
    logs = TrackedLogs()
    forgotten = logs.use(name(0))
    sparse(logs, 1, 1)
    monkeypatch.setattr(tracked, "MAX_HELD", 2)
    forgotten.known.add(0)
    forgotten.known.add(1000)
    logs.weigh(name(0), forgotten)
    assert kept(logs) == [name(1)]


async def test_a_log_that_is_being_written_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracked, "MAX_LOGS", 1)
    logs = TrackedLogs()
    async with logs.use(name(0)).lock:
        logs.use(name(1))
        assert kept(logs) == [name(0), name(1)]
    logs.use(name(2))
    assert kept(logs) == [name(2)]
