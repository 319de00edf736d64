"""Logs that reach their bounds: cut once, truthfully, whatever dies in between; and logs that are hard to read."""

from collections.abc import Iterable
from typing import Any

import pytest

from deplite_apiserver.logs.bounds import LAST_BYTES, OVERLAP_WEIGHT, Bounds
from deplite_apiserver.logs.lines import encode, line, merge
from deplite_apiserver.storage import merging
from deplite_apiserver.storage.logstore import MAX_PARTS, LogStore, Taken
from deplite_apiserver.storage.objects import StorageUnavailableError
from deplite_apiserver.storage.pieces import LogName
from tests.unit.apiserver.storage.bucket import Bucket
from tests.unit.apiserver.storage.test_logstore import Ticking

NAME = LogName(organization="org-a", storage_key="j-x-0a1b2c3d")
BOUNDS = Bounds(size=10_000, lines=1000, parts=20)
ALL = 10_000


def lines(seqs: Iterable[int], content: str = "x" * 49, stream: str = "raw") -> list[dict[str, Any]]:
    return [line(seq=seq, stream=stream, content=content) for seq in seqs]


def opened(bucket: Bucket | None = None, bounds: Bounds = BOUNDS) -> tuple[LogStore, Bucket]:
    bucket = bucket or Bucket(Ticking().now)
    return LogStore(bucket, lambda: 0.0, bounds), bucket


async def shown(store: LogStore) -> list[tuple[int, str]]:
    return [(one["seq"], one["stream"]) for one in await store.read(NAME, 0, ALL)]


async def flooded(store: LogStore, upto: int = 200) -> Taken:
    """Send ten lines at a time, and return what became of all of them."""
    found = [await store.append(NAME, lines(range(start, start + 10))) for start in range(0, upto, 10)]
    return Taken(accepted=sum(one.accepted for one in found), dropped=sum(one.dropped for one in found))


def stored_bytes(bucket: Bucket) -> int:
    return sum(len(data) for key, (data, _) in bucket.objects.items() if "/p/" in key)


async def test_a_firehose_is_cut_and_the_log_says_where() -> None:
    store, bucket = opened()
    taken = await flooded(store)
    assert taken.accepted + taken.dropped == 200
    assert stored_bytes(bucket) <= BOUNDS.size < stored_bytes(bucket) + 150
    found = await store.read(NAME, 0, ALL)
    assert [one["seq"] for one in found] == list(range(taken.accepted + 1))
    assert [one["seq"] for one in found if one["stream"] == "system"] == [taken.accepted]
    assert "10000 bytes" in found[-1]["content"]


async def test_what_was_dropped_is_dropped_again_and_costs_nothing() -> None:
    store, bucket = opened()
    taken = await flooded(store)
    before = dict(bucket.objects)
    batch = lines(range(taken.accepted, taken.accepted + 5))
    for _ in range(2):
        assert await store.append(NAME, batch) == Taken(dropped=5)
    assert await store.append(NAME, lines(range(5), "other")) == Taken()  # and what is there is a repeat as ever
    assert bucket.objects == before


async def test_the_end_of_the_job_is_shown_after_the_cut() -> None:
    store, _ = opened()
    await flooded(store)
    assert await store.append(NAME, lines([500], stream="summary")) == Taken(accepted=1)
    assert (await shown(store))[-2:][1] == (500, "summary")
    for number in range(3):
        await store.append(NAME, lines([600 + number], "y" * LAST_BYTES, stream="summary"))
    assert [stream for _, stream in await shown(store)].count("summary") == 1


@pytest.mark.parametrize("merged", [False, True])
async def test_a_process_that_comes_after_knows_that_the_log_is_cut(merged: bool) -> None:
    store, bucket = opened()
    taken = await flooded(store)
    before = await shown(store)
    if merged:
        await store.discard(await store.merge(NAME))
        assert len(bucket.objects) == 3
    other, _ = opened(bucket)
    assert await shown(other) == before
    assert await other.append(NAME, lines([taken.accepted, 300, 301], "")) == Taken(dropped=3)
    assert await other.append(NAME, lines([400], stream="system")) == Taken(accepted=1)
    assert await shown(other) == [*before, (400, "system")]


@pytest.mark.parametrize("merged", [False, True])
async def test_a_process_that_comes_in_between_knows_how_long_the_log_is(merged: bool) -> None:
    store, bucket = opened()
    first = await flooded(store, 50)
    keys = await store.merge(NAME) if merged else []
    other, _ = opened(bucket)  # merged, and nothing deleted yet: the same lines are there twice
    found = [await other.append(NAME, lines(range(50 + n, 60 + n))) for n in range(0, 150, 10)]
    await other.discard(keys)
    accepted = first.accepted + sum(one.accepted for one in found)
    one = len(encode(lines([100])))
    assert BOUNDS.size - 2 * one < len(encode(lines(range(accepted)))) <= BOUNDS.size
    assert [stream for _, stream in await shown(other)].count("system") == 1


async def test_dying_between_the_last_lines_and_the_cut_changes_nothing() -> None:
    store, bucket = opened()
    whole, _ = opened()
    taken = await flooded(whole)

    class Dying(Bucket):
        async def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
            if "/cut/" in key:
                raise StorageUnavailableError
            await super().put(key, data, content_type)

    dying = Dying(bucket.now)
    store = LogStore(dying, lambda: 0.0, BOUNDS)
    with pytest.raises(StorageUnavailableError):
        await flooded(store)
    healed = Bucket(bucket.now)
    healed.objects = dying.objects
    store, _ = opened(healed)
    await flooded(store)
    assert await shown(store) == await shown(whole)
    assert (await shown(store))[-1] == (taken.accepted, "system")


async def test_a_cut_is_told_to_who_follows() -> None:
    store, _ = opened(bounds=Bounds(size=100, lines=1000, parts=20))
    told: list[int] = []
    store.subscribe(lambda _, last: told.append(last))
    assert await store.append(NAME, lines([7], "z" * 200)) == Taken(dropped=1)
    assert told == [7]
    assert await shown(store) == [(7, "system")]


async def test_too_many_small_batches_are_cut_unless_they_are_merged_meanwhile() -> None:
    store, bucket = opened()
    other, _ = opened(bucket)
    for seq in range(BOUNDS.parts):
        assert await store.append(NAME, lines([seq])) == Taken(accepted=1)
    await other.discard(await other.merge(NAME))  # by another process: this one looks before it cuts
    for seq in range(BOUNDS.parts, 2 * BOUNDS.parts - 2):
        assert await store.append(NAME, lines([seq])) == Taken(accepted=1)
    await store.discard(await store.merge(NAME))
    for seq in range(100, 100 + BOUNDS.parts):
        assert await store.append(NAME, lines([seq])) == Taken(accepted=1)
    assert await store.append(NAME, lines([200])) == Taken(dropped=1)
    assert "20 uploads" in (await store.read(NAME, 200, 1))[0]["content"]


async def test_sparse_seqs_are_stored_like_others_and_a_repeat_of_forgotten_ones_changes_nothing() -> None:
    store, bucket = opened(bounds=Bounds())
    batches = [lines(range(start, start + 1000 * 2**40, 2**40)) for start in range(3)]
    for batch in batches:
        assert (await store.append(NAME, batch)).accepted == 1000
    before = dict(bucket.objects)
    await store.append(NAME, batches[0])
    assert set(bucket.objects) == set(before)
    other = [one | {"content": "other"} for one in batches[0]]
    await store.append(NAME, other)
    found: list[Any] = []
    while page := await store.read(NAME, found[-1]["seq"] + 1 if found else 0, 700):
        found += page
    assert found == merge(batches)
    await store.discard(await store.merge(NAME))
    assert await store.read(NAME, 0, ALL) == found


async def test_a_log_whose_parts_lie_over_one_another_is_merged_unless_that_takes_too_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, bucket = opened(bounds=Bounds())
    for seq in range(50):
        await store.append(NAME, lines([seq, 2**62 + seq]))
    before = await store.read(NAME, 0, ALL)
    monkeypatch.setattr(merging, "WINDOW_LINES", 5)
    monkeypatch.setattr(merging, "FREE_BYTES", 0)
    assert await store.merge(NAME) == []
    assert len(bucket.objects) == 50
    monkeypatch.setattr(merging, "FREE_BYTES", 10**6)
    await store.discard(await store.merge(NAME))
    assert len(bucket.objects) == 2
    assert await store.read(NAME, 0, ALL) == before


@pytest.mark.parametrize("heaps", [1, 4])
async def test_a_log_that_would_take_too_long_to_merge_is_left_in_parts_without_trying(
    heaps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, bucket = opened(bounds=Bounds())
    for heap in range(heaps):
        for seq in range(40):
            await store.append(NAME, lines([heap * 2**40 + seq, heap * 2**40 + 2**39 + seq]))
    before = dict(bucket.objects)
    monkeypatch.setattr(merging, "FREE_BYTES", 0)
    monkeypatch.setattr(merging, "WINDOW_SIZE", 500)
    bucket.reads.clear()
    assert await store.merge(NAME) == []
    assert bucket.objects == before
    assert [key for key in bucket.reads if "/p/" in key] == []


TANGLED = Bounds(parts=5 * OVERLAP_WEIGHT)


async def test_parts_that_lie_over_one_another_are_cut_soon_and_the_log_says_so() -> None:
    store, bucket = opened(bounds=TANGLED)
    for seq in range(5):
        assert await store.append(NAME, lines([seq, 2**62 + seq])) == Taken(accepted=2)
    assert await store.append(NAME, lines([5, 2**62 + 5])) == Taken(dropped=2)
    assert len(bucket.objects) == 6
    other, _ = opened(bucket, TANGLED)
    [cut] = [one for one in await other.read(NAME, 0, ALL) if one["stream"] == "system"]
    assert (cut["seq"], "counts for 20" in cut["content"]) == (5, True)
    assert await other.append(NAME, lines([6, 2**62 + 6])) == Taken(dropped=2)


async def test_a_process_that_comes_later_weighs_them_as_the_first_one_did() -> None:
    store, bucket = opened(bounds=TANGLED)
    for seq in range(5):
        await store.append(NAME, lines([seq, 2**62 + seq]))
    other, _ = opened(bucket, TANGLED)
    assert await other.append(NAME, lines([5, 2**62 + 5])) == Taken(dropped=2)


async def test_repeats_of_an_honest_agent_never_make_a_log_heavy() -> None:
    bucket = Bucket(Ticking().now)
    stores = [opened(bucket, TANGLED)[0] for _ in range(2)]
    for number, start in enumerate(range(0, 600, 10)):
        batch = lines(range(start, start + 10))
        for store in (stores[number % 2], stores[number % 2], stores[1 - number % 2]):  # no answer was heard, twice
            assert (await store.append(NAME, batch)).dropped == 0
        assert len(bucket.objects) == number + 1, "the same bytes are the same object"
    assert "system" not in {stream for _, stream in await shown(stores[0])}
    assert stores[0].crowded() == []


async def test_a_log_that_can_be_merged_is_asked_to_be_long_before_it_is_cut() -> None:
    store, bucket = opened(bounds=Bounds())
    most = MAX_PARTS // OVERLAP_WEIGHT
    for seq in range(most + 1):
        assert store.crowded() == []
        await store.append(NAME, lines([seq, 2**62 + seq]))
    assert store.crowded() == [NAME]
    await store.discard(await store.merge(NAME))
    assert len(bucket.objects) == 2
    await store.append(NAME, lines([1000, 2**62 + 1000]))
    assert store.crowded() == []
