"""Pages of a list, put together from the cluster and the history: every job once, newest first."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deplite.resources.identifiers import object_id
from deplite.resources.resource import utc
from deplite_apiserver.edge.pages import encode_cursor
from deplite_apiserver.errors import ValidationFailedError
from deplite_apiserver.jobs.listing import Listing, Wanted
from deplite_apiserver.jobs.row import JobRow
from deplite_apiserver.jobs.view import JobView, project
from deplite_apiserver.storage.history import History
from tests.unit.apiserver.jobs.builders import NAMESPACE, job_body
from tests.unit.apiserver.storage.bucket import Bucket

BEGAN = datetime(2026, 5, 31, tzinfo=UTC)


def finished(number: int, **spec: Any) -> JobView:
    """Return the job that was created in the n-th second."""
    body = job_body(spec=spec, phase="Failed", reason="exit_code", exitCode=3, finishedAt="2026-06-01T00:00:00Z")
    moment = utc(BEGAN + timedelta(seconds=number))
    body["metadata"] |= {"name": f"j-{number:026}", "creationTimestamp": moment, "uid": f"{number:08x}-0"}
    return project(body)


class Jobs:
    """What is in the cluster."""

    def __init__(self, jobs: Iterable[JobView]) -> None:
        self.jobs = {(job.namespace, job.name): job for job in jobs}

    def get(self, namespace: str, name: str) -> JobView | None:
        return self.jobs.get((namespace, name))

    def values(self) -> Iterable[JobView]:
        return self.jobs.values()


async def listing(live: Iterable[JobView], gone: Iterable[JobView]) -> Listing:
    history = History(Bucket())
    for one in gone:
        await history.put(NAMESPACE, JobRow.of(one))
    return Listing(Jobs(live), history)


async def everything(found: Listing, limit: int, wanted: Wanted | None = None) -> list[str]:
    ids: list[str] = []
    cursor: str | None = None
    for _ in range(200):
        page = await found.page(NAMESPACE, wanted or Wanted(), limit, cursor)
        assert len(page.rows) <= limit
        ids += [row.id for row in page.rows]
        if (cursor := page.cursor) is None:
            return ids
    raise AssertionError("the pages never end")


def names(numbers: Iterable[int]) -> list[str]:
    return [f"j-{number:026}" for number in numbers]


@given(
    gone=st.integers(0, 30), both=st.integers(0, 3), live=st.integers(0, 30), limit=st.sampled_from([1, 2, 7, 30, 200])
)
async def test_every_job_is_listed_once_and_newest_first(gone: int, both: int, live: int, limit: int) -> None:
    """Those of `both` have been archived and are not deleted yet."""
    old = [finished(number) for number in range(gone + both)]
    new = [finished(number) for number in range(gone, gone + both + live)]
    assert await everything(await listing(new, old), limit) == names(reversed(range(gone + both + live)))


@pytest.mark.parametrize("limit", [1, 3, 200])
@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (Wanted(since=BEGAN + timedelta(seconds=4)), [9, 8, 7, 6, 5, 4]),
        (Wanted(until=BEGAN + timedelta(seconds=4)), [3, 2, 1, 0]),
        (Wanted(until=BEGAN + timedelta(seconds=4, milliseconds=1)), [4, 3, 2, 1, 0]),
        (Wanted(since=BEGAN + timedelta(seconds=2), until=BEGAN + timedelta(seconds=7)), [6, 5, 4, 3, 2]),
        (Wanted(trigger_id=object_id("tr", NAMESPACE, "even")), [8, 6, 4, 2, 0]),
        (Wanted(agent_id=object_id("ag", NAMESPACE, "web")), [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
        (Wanted(agent_id=object_id("ag", NAMESPACE, "other")), []),
        (Wanted(statuses=frozenset({"failed"})), [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
        (Wanted(statuses=frozenset({"queued", "success"})), []),
    ],
)
async def test_filters_hold_in_the_cluster_and_behind_it(wanted: Wanted, numbers: list[int], limit: int) -> None:
    jobs = [finished(number, trigger="odd" if number % 2 else "even") for number in range(10)]
    assert await everything(await listing(jobs[5:], jobs[:5]), limit, wanted) == names(numbers)


async def test_a_rare_job_is_found_over_several_pages_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deplite_apiserver.storage.history.SCAN_KEYS", 2)
    monkeypatch.setattr("deplite_apiserver.jobs.listing.MAX_SCANS", 2)
    jobs = [finished(number, trigger="rare" if number == 3 else "usual") for number in range(30)]
    wanted = Wanted(trigger_id=object_id("tr", NAMESPACE, "rare"))
    assert await everything(await listing([], jobs), 5, wanted) == names([3])


@pytest.mark.parametrize(
    "cursor", ["", "x", "cluster:", "cluster:now j", "history:", "history:idx/org-other/x", "history:logs/org-abc/x"]
)
async def test_a_cursor_that_is_none_is_refused_or_reaches_nobody_else(cursor: str) -> None:
    found = await listing([finished(1)], [finished(0)])
    if cursor == "cluster:":  # the beginning
        assert len((await found.page(NAMESPACE, Wanted(), 5, encode_cursor(cursor))).rows) == 2
        return
    with pytest.raises(ValidationFailedError):
        await found.page(NAMESPACE, Wanted(), 5, encode_cursor(cursor))


async def test_a_row_says_all_that_it_said_however_long_its_names_are() -> None:
    one = finished(7, ref="refs/heads/" + "ü" * 100, workflow="w" * 64, agent="a" * 63, trigger="t" * 63)
    bucket = Bucket()
    await History(bucket).put(NAMESPACE, JobRow.of(one))
    [key] = bucket.objects
    assert len(key) <= 1024
    assert max(map(len, key.split("/"))) <= 200
    [found] = await History(bucket).scan(NAMESPACE, "")
    assert found.row == JobRow.of(one)


async def test_the_longest_names_fit_into_a_key() -> None:
    one = finished(7, ref="\U0001f680" * 255, workflow="w" * 128)
    bucket = Bucket()
    await History(bucket).put("org-" + "x" * 55, JobRow.of(one))
    [key] = bucket.objects
    assert len(key.encode()) <= 1024
    [found] = await History(bucket).scan("org-" + "x" * 55, "")
    assert (found.row.id, found.row.ref) == (one.name, "\U0001f680" * 64)


async def test_keys_of_another_version_are_left_out() -> None:
    bucket = Bucket()
    await bucket.put(f"idx/{NAMESPACE}/000000000001-x/!!", b"")
    await bucket.put(f"idx/{NAMESPACE}/000000000002-x/WzFd", b"")
    await History(bucket).put(NAMESPACE, JobRow.of(finished(1)))
    assert [found.row.id for found in await History(bucket).scan(NAMESPACE, "")] == names([1])
