"""Logs in parts and merged: nothing acknowledged is lost, and of a repeated seq the first one written is read."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deplite_apiserver.logs.lines import line
from deplite_apiserver.storage import merging, tracked
from deplite_apiserver.storage.logstore import FOLLOWED_SECONDS, MAX_PAGE_BYTES, MAX_PARTS, LogStore
from deplite_apiserver.storage.objects import StorageUnavailableError
from deplite_apiserver.storage.pieces import LogName
from tests.unit.apiserver.storage.bucket import Bucket

NAME = LogName(organization="org-a", storage_key="j-x-0a1b2c3d")
ALL = 10_000


class Ticking:
    """A clock that goes on by a second at each look."""

    def __init__(self) -> None:
        self.at = datetime(2026, 5, 31, tzinfo=UTC)

    def now(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at


def lines(seqs: Iterable[int], content: str = "one") -> list[dict[str, Any]]:
    return [line(seq=seq, stream="raw", content=content) for seq in seqs]


def fresh(bucket: Bucket | None = None) -> tuple[LogStore, Bucket]:
    bucket = bucket or Bucket(Ticking().now)
    return LogStore(bucket, lambda: 0.0), bucket


async def read(store: LogStore, start: int = 0, limit: int = ALL) -> list[tuple[int, str]]:
    return [(one["seq"], one["content"]) for one in await store.read(NAME, start, limit)]


async def test_one_batch_is_one_object_and_comes_back() -> None:
    store, bucket = fresh()
    assert (await store.append(NAME, lines([2, 0, 1]))).accepted == 3
    assert len(bucket.objects) == 1
    assert await read(store) == [(0, "one"), (1, "one"), (2, "one")]


async def test_an_empty_batch_stores_nothing() -> None:
    store, bucket = fresh()
    assert (await store.append(NAME, [])).accepted == 0
    assert bucket.objects == {}
    assert await read(store) == []


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_repeat_is_accepted_and_stored_once(restarted: bool) -> None:
    store, bucket = fresh()
    await store.append(NAME, lines(range(5)))
    if restarted:
        store, _ = fresh(bucket)
    assert (await store.append(NAME, lines(range(5)))).accepted == 0
    assert (await store.append(NAME, lines(range(3, 8), "two"))).accepted == 3
    assert await read(store) == [(seq, "one") for seq in range(5)] + [(seq, "two") for seq in range(5, 8)]


async def test_within_a_batch_the_first_of_a_seq_wins() -> None:
    store, _ = fresh()
    assert (await store.append(NAME, [*lines([1], "one"), *lines([1], "two")])).accepted == 1
    assert await read(store) == [(1, "one")]


async def test_of_two_replicas_that_do_not_know_of_each_other_the_older_part_is_read() -> None:
    one, bucket = fresh()
    other, _ = fresh(bucket)
    assert (await one.append(NAME, lines([0]))).accepted == 1
    assert (await other.append(NAME, lines([0]))).accepted == 0  # it has listed what was there
    assert (await one.append(NAME, lines([5, 6], "one"))).accepted == 2
    assert (
        await other.append(NAME, lines([4, 5], "two"))
    ).accepted == 2  # it does not know, and must not ask at each batch
    expected = [(0, "one"), (4, "two"), (5, "one"), (6, "one")]
    assert await read(one) == await read(other) == expected
    await one.merge(NAME)
    assert await read(one) == expected


@pytest.mark.parametrize(("start", "limit"), [(0, 1), (0, 5), (3, 4), (9, 1), (10, 5), (2**63, 1), (4, ALL)])
async def test_a_page_begins_where_asked_and_ends_at_its_limit(start: int, limit: int) -> None:
    store, _ = fresh()
    for first in (4, 0, 8, 6, 2):
        await store.append(NAME, lines([first, first + 1]))
    assert [seq for seq, _ in await read(store, start, limit)] == list(range(10))[start : start + limit]


async def test_a_page_reads_no_more_objects_than_it_needs() -> None:
    store, bucket = fresh()
    for number in range(50):
        await store.append(NAME, lines([number]))
    bucket.reads.clear()
    assert len(await read(store, 10, 3)) == 3
    assert len(bucket.reads) <= 5


async def test_a_page_ends_at_four_mebibytes_and_holds_one_line_at_least() -> None:
    store, _ = fresh()
    big = "x" * (MAX_PAGE_BYTES // 2 - 10)
    for seq in range(5):
        await store.append(NAME, lines([seq], big))
    assert [seq for seq, _ in await read(store)] == [0, 1]
    assert [seq for seq, _ in await read(store, 4)] == [4]
    await store.append(NAME, lines([5], "x" * (MAX_PAGE_BYTES + 1)))
    assert [seq for seq, _ in await read(store, 5)] == [5]


async def test_a_merged_log_reads_the_same_and_late_lines_join_it() -> None:
    store, bucket = fresh()
    for number in range(5):
        await store.append(NAME, lines([number * 2]))
    before = await read(store)
    keys = await store.merge(NAME)
    assert await read(store) == before
    await store.discard(keys)
    assert await read(store) == before
    assert len(bucket.objects) == 2
    assert (await store.append(NAME, lines([1, 4, 20], "late"))).accepted == 2
    expected = [(0, "one"), (1, "late"), (2, "one"), (4, "one"), (6, "one"), (8, "one"), (20, "late")]
    assert await read(store) == expected
    await store.discard(await store.merge(NAME))
    assert await read(store) == expected
    assert len(bucket.objects) == 2
    assert await store.merge(NAME) == []


async def test_merging_twice_before_deleting_is_harmless() -> None:
    store, bucket = fresh()
    for number in range(3):
        await store.append(NAME, lines([number]))
    first, second = await store.merge(NAME), await store.merge(NAME)
    assert set(first) == set(second)
    await store.discard(first)
    await store.discard(second)
    assert [seq for seq, _ in await read(store)] == [0, 1, 2]
    assert len(bucket.objects) == 2


async def test_a_process_that_knew_the_parts_goes_on_after_another_merged_them() -> None:
    store, bucket = fresh()
    await store.append(NAME, lines(range(3)))
    await store.append(NAME, lines([10]))
    other, _ = fresh(bucket)
    assert (await other.append(NAME, lines([20]))).accepted == 1  # lists the parts, and reads none of them
    await store.discard(await store.merge(NAME))
    with pytest.raises(StorageUnavailableError):
        await other.append(NAME, lines([2, 3], "two"))
    assert (await other.append(NAME, lines([2, 3], "two"))).accepted == 1
    assert (await read(other))[2:4] == [(2, "one"), (3, "two")]


async def test_a_store_that_is_away_promises_nothing_and_knows_nothing() -> None:
    store, bucket = fresh()
    bucket.away = True
    with pytest.raises(StorageUnavailableError):
        await store.append(NAME, lines([0]))
    with pytest.raises(StorageUnavailableError):
        await store.read(NAME, 0, ALL)
    bucket.away = False
    assert (await store.append(NAME, lines([0]))).accepted == 1


@pytest.mark.parametrize(
    ("damage", "merged"),
    [("cut", False), ("line", False), ("turned", False), ("cut", True), ("turned", True), ("gone", True)],
)
async def test_a_damaged_object_is_an_error_and_never_a_shorter_log(damage: str, merged: bool) -> None:
    store, bucket = fresh()
    await store.append(NAME, lines(range(100), "some text"))
    if merged:
        await store.discard(await store.merge(NAME))
    [key] = [key for key in bucket.objects if not key.endswith("index.json")]
    data, at = bucket.objects[key]
    if damage == "gone":
        del bucket.objects[key]
    else:
        damaged = {"cut": data[:-7], "line": data[: data.index(b"\n") + 1], "turned": data[:20] + b"1" + data[21:]}
        bucket.objects[key] = (damaged[damage], at)
    with pytest.raises(StorageUnavailableError):
        await store.read(NAME, 0, ALL)


async def test_a_large_log_is_merged_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    store, _ = fresh()
    for seq in (1, 0, 2):
        await store.append(NAME, lines([seq]))
    monkeypatch.setattr(merging, "LARGE_BYTES", 10)
    await store.discard(await store.merge(NAME))
    assert await store.read(NAME, 0, ALL) == lines([0, 1, 2])


async def test_more_than_five_hundred_parts_are_a_crowd_once() -> None:
    store, bucket = fresh()
    for seq in range(MAX_PARTS):
        await store.append(NAME, lines([seq]))
    assert store.crowded() == []
    await store.append(NAME, lines([MAX_PARTS]))
    assert store.crowded() == [NAME]
    assert store.crowded() == []
    other, _ = fresh(bucket)
    await other.append(NAME, lines([MAX_PARTS + 1]))
    assert other.crowded() == [NAME]  # a process that was started anew counts those that are there
    await other.discard(await other.merge(NAME))
    assert len(bucket.objects) == 2
    assert [seq for seq, _ in await read(other)] == list(range(MAX_PARTS + 2))


async def test_a_log_counts_as_followed_for_some_seconds_after_a_read() -> None:
    at = 0.0
    store = LogStore(Bucket(), lambda: at)
    assert not store.followed(NAME)
    await store.append(NAME, lines([0]))
    assert not store.followed(NAME)
    await store.read(NAME, 0, 1)
    assert store.followed(NAME)
    at = FOLLOWED_SECONDS
    assert not store.followed(NAME)


async def test_followers_are_told_of_what_is_new_only() -> None:
    store, _ = fresh()
    told: list[tuple[LogName, int]] = []
    stop = store.subscribe(lambda name, last: told.append((name, last)))
    await store.append(NAME, lines([3, 1]))
    await store.append(NAME, lines([3]))
    stop()
    await store.append(NAME, lines([9]))
    assert told == [(NAME, 3)]


async def test_logs_are_forgotten_in_turn_and_known_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracked, "MAX_LOGS", 2)
    store, _ = fresh()
    names = [LogName(organization="org-a", storage_key=f"j-{number}-0a1b2c3d") for number in range(5)]
    for name in names:
        assert (await store.append(name, lines([0]))).accepted == 1
    for name in names:
        assert (await store.append(name, lines([0, 1]))).accepted == 1


async def test_the_end_of_a_log_is_what_came_last() -> None:
    store, _ = fresh()
    assert await store.tail(NAME, 3) == []
    await store.append(NAME, lines(range(5)))
    await store.append(NAME, lines(range(5, 7)))
    assert [line["seq"] for line in await store.tail(NAME, 3)] == [4, 5, 6]
    assert [line["seq"] for line in await store.tail(NAME, 30)] == list(range(7))
    await store.merge(NAME)
    await store.append(NAME, lines([9]))
    assert [line["seq"] for line in await store.tail(NAME, 4)] == [6, 9]
