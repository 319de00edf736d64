import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from deplite.kube.cache import Change
from deplite_apiserver.errors import RateLimitedError, UnavailableError
from deplite_apiserver.jobs.view import JobView, project
from deplite_apiserver.logs import follow
from deplite_apiserver.logs.follow import End, Followers
from deplite_apiserver.logs.lines import LogLine, line
from deplite_apiserver.storage.objects import StorageUnavailableError
from deplite_apiserver.storage.pieces import LogName
from tests.unit.apiserver.jobs.builders import job, job_body


class Logs:
    """One log, which may be out of reach."""

    def __init__(self) -> None:
        self.lines: list[LogLine] = []
        self.away = False
        self.told: list[Callable[[LogName, int], None]] = []

    def subscribe(self, callback: Callable[[LogName, int], None]) -> None:
        self.told.append(callback)

    async def read(self, name: LogName, from_seq: int, limit: int) -> list[LogLine]:
        if self.away:
            raise StorageUnavailableError
        return [one for one in self.lines if one["seq"] >= from_seq][:limit]

    def add(self, seq: int, *, tell: bool = True) -> None:
        self.lines.append(line(seq=seq, stream="raw", content=f"line {seq}\n"))
        for callback in self.told if tell else ():
            callback(NAME, seq)


class Jobs:
    """One job that can end."""

    def __init__(self) -> None:
        self.view: JobView | None = project(job_body(phase="Running"))
        self.told: list[Callable[[Change[JobView]], None]] = []

    def get(self, namespace: str, name: str) -> JobView | None:
        return self.view

    def subscribe(self, callback: Callable[[Change[JobView]], None]) -> None:
        self.told.append(callback)

    def end(self, **status: Any) -> None:
        old, self.view = self.view, project(job_body(phase="Failed", reason="exit_code", **status))
        assert old is not None
        for callback in self.told:
            callback(Change(key=(old.namespace, old.name), old=old, new=self.view))


JOB = job(phase="Running")
NAME = LogName(organization=JOB.namespace, storage_key=JOB.storage_key)
LONG = 3600.0
"""A follower that looks so seldom hears only by being woken."""


async def heard(found: Any) -> Sequence[LogLine] | End:
    async with asyncio.timeout(60):
        return await anext(found)  # type: ignore[no-any-return]


async def test_lines_wake_and_the_end_wakes() -> None:
    logs, jobs = Logs(), Jobs()
    found = Followers(logs, jobs, look_seconds=LONG, settle_seconds=0).follow(JOB, 0)  # type: ignore[arg-type]
    logs.add(0)
    assert await heard(found) == logs.lines
    asyncio.get_running_loop().call_later(0.05, logs.add, 1)
    assert await heard(found) == logs.lines[1:]
    asyncio.get_running_loop().call_later(0.05, jobs.end)
    assert await heard(found) == End(status="failed", next_seq=2)


async def test_what_nobody_tells_of_is_found_by_looking() -> None:
    logs = Logs()
    found = Followers(logs, Jobs(), look_seconds=0.01).follow(JOB, 0)  # type: ignore[arg-type]
    asyncio.get_running_loop().call_later(0.05, lambda: logs.add(0, tell=False))
    assert await heard(found) == logs.lines


async def test_lines_after_the_end_still_come() -> None:
    logs, jobs = Logs(), Jobs()
    found = Followers(logs, jobs, look_seconds=0.01, settle_seconds=2).follow(JOB, 0)  # type: ignore[arg-type]
    jobs.end()
    asyncio.get_running_loop().call_later(0.05, lambda: logs.add(0, tell=False))
    assert await heard(found) == logs.lines
    assert await heard(found) == End(status="failed", next_seq=1)


async def test_a_store_that_is_away_ends_nothing_and_a_job_that_left_has_ended() -> None:
    logs, jobs = Logs(), Jobs()
    logs.add(0)
    logs.away = True
    jobs.view = None
    found = Followers(logs, jobs, look_seconds=0.01, settle_seconds=0).follow(  # type: ignore[arg-type]
        job(phase="Succeeded"), 0
    )
    asyncio.get_running_loop().call_later(0.1, lambda: setattr(logs, "away", False))
    assert await heard(found) == logs.lines
    assert await heard(found) == End(status="success", next_seq=1)


async def test_a_job_that_is_gone_before_it_ended_has_no_end_to_tell() -> None:
    logs, jobs = Logs(), Jobs()
    logs.add(0)
    jobs.view = None
    found = Followers(logs, jobs, look_seconds=0.01, settle_seconds=0).follow(JOB, 0)  # type: ignore[arg-type]
    assert await heard(found) == logs.lines
    with pytest.raises(StopAsyncIteration):
        await heard(found)


async def test_who_may_no_longer_is_let_go() -> None:
    logs, may = Logs(), [True]
    logs.add(0)
    followers = Followers(logs, Jobs(), look_seconds=0.01)  # type: ignore[arg-type]
    found = followers.follow(JOB, 0, allowed=lambda: may[0])
    assert await heard(found) == logs.lines
    may[0] = False
    logs.add(1)
    with pytest.raises(StopAsyncIteration):
        await heard(found)


async def test_one_caller_takes_only_some_of_the_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "MAX_OF_CALLER", 1)
    logs = Logs()
    logs.add(0)
    followers = Followers(logs, Jobs(), look_seconds=LONG)  # type: ignore[arg-type]
    first = followers.follow(JOB, 0, caller="a")
    await heard(first)
    with pytest.raises(RateLimitedError):
        followers.follow(JOB, 0, caller="a")
    assert await heard(followers.follow(JOB, 0, caller="b")) == logs.lines
    await first.aclose()
    assert await heard(followers.follow(JOB, 0, caller="a")) == logs.lines


async def test_at_the_stop_everybody_goes_without_an_end() -> None:
    followers = Followers(Logs(), Jobs(), look_seconds=LONG)  # type: ignore[arg-type]
    found = followers.follow(JOB, 0)
    asyncio.get_running_loop().call_later(0.05, followers.stop)
    with pytest.raises(StopAsyncIteration):
        await heard(found)


async def test_only_so_many_follow_and_who_goes_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "MAX_FOLLOWERS", 1)
    logs = Logs()
    logs.add(0)
    followers = Followers(logs, Jobs(), look_seconds=LONG)  # type: ignore[arg-type]
    first = followers.follow(JOB, 0)
    await heard(first)
    with pytest.raises(UnavailableError):
        followers.follow(JOB, 0)
    await first.aclose()
    assert await heard(followers.follow(JOB, 0)) == logs.lines
