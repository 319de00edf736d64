"""Logs of very many parts, while their jobs go on."""

from deplite_apiserver.logs.lines import line
from deplite_apiserver.storage.logstore import MAX_PARTS, LogStore
from deplite_apiserver.storage.pieces import LogName
from deplite_apiserver.sweeper.crowds import Crowds
from deplite_apiserver.sweeper.retirement import DISCARD_AFTER
from tests.unit.apiserver.clocks import StillClock
from tests.unit.apiserver.storage.bucket import Bucket


async def crowded(bucket: Bucket, clock: StillClock) -> tuple[LogStore, LogName]:
    logs = LogStore(bucket, clock.monotonic)
    name = LogName(organization="org-a", storage_key="j-x-0a1b2c3d")
    for seq in range(MAX_PARTS + 1):
        await logs.append(name, [line(seq=seq, stream="raw", content=str(seq))])
    return logs, name


async def test_they_are_merged_and_a_minute_later_their_parts_go() -> None:
    clock = StillClock()
    bucket = Bucket(clock.now)
    logs, name = await crowded(bucket, clock)
    crowds = Crowds(logs, clock.monotonic)
    await crowds.round()
    await crowds.round()
    assert len(bucket.objects) == MAX_PARTS + 3
    assert (await logs.append(name, [line(seq=MAX_PARTS + 1, stream="raw", content="on")])).accepted == 1
    clock.advance(DISCARD_AFTER)
    await crowds.round()
    assert len(bucket.objects) == 3
    assert [one["seq"] for one in await logs.read(name, 0, 10_000)] == list(range(MAX_PARTS + 2))


async def test_a_store_that_is_away_is_asked_again_when_it_has_grown_further() -> None:
    clock = StillClock()
    bucket = Bucket(clock.now)
    logs, name = await crowded(bucket, clock)
    crowds = Crowds(logs, clock.monotonic)
    bucket.away = True
    await crowds.round()
    bucket.away = False
    assert len(bucket.objects) == MAX_PARTS + 1
    assert [one["seq"] for one in await logs.read(name, 0, 10_000)] == list(range(MAX_PARTS + 1))
