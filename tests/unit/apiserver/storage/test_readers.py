"""Places of those who read logs: an organization that takes all of its own leaves others theirs."""

import asyncio

import pytest

from deplite.patience import PATIENCE
from deplite_apiserver.errors import RateLimitedError
from deplite_apiserver.logs.lines import line
from deplite_apiserver.storage.logstore import LogStore
from deplite_apiserver.storage.pieces import LogName
from deplite_apiserver.storage.readers import AT_ONCE, Readers
from tests.unit.apiserver.storage.bucket import Bucket

MINE = LogName(organization="org-a", storage_key="j-x-0a1b2c3d")
OTHER = LogName(organization="org-b", storage_key="j-x-0a1b2c3d")


class Hanging(Bucket):
    """A bucket in which listing one organization's logs takes until it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = asyncio.Event()
        self.listing = 0

    async def list(self, prefix: str, **bounds: object) -> object:  # type: ignore[override]
        if prefix.startswith("logs/org-a/"):
            self.listing += 1
            await self.go_on.wait()
        return await super().list(prefix, **bounds)  # type: ignore[arg-type]


async def test_one_organization_reads_so_many_pages_at_a_time_and_another_reads_beside_it() -> None:
    bucket = Hanging()
    store = LogStore(bucket, lambda: 0.0)
    reading = [asyncio.create_task(store.read(MINE, 0, 10)) for _ in range(AT_ONCE + 5)]
    while bucket.listing < AT_ONCE:
        await asyncio.sleep(0)
    await store.append(OTHER, [line(seq=0, stream="raw", content="x")])
    assert [one["seq"] for one in await store.read(OTHER, 0, 10)] == [0]
    assert bucket.listing == AT_ONCE
    bucket.go_on.set()
    assert await asyncio.gather(*reading) == [[]] * (AT_ONCE + 5)
    assert bucket.listing == AT_ONCE + 5


async def test_who_has_no_patience_is_told_to_come_again_and_takes_no_place() -> None:
    readers = Readers(at_once=1)
    async with readers.place("org-a"):
        PATIENCE.set(0.01)
        with pytest.raises(RateLimitedError) as caught:
            async with readers.place("org-a"):
                raise AssertionError("there is no place")
        assert caught.value.retry_after == 5
        async with readers.place("org-b"):
            pass
    async with readers.place("org-a"):
        pass


async def test_a_reader_that_fails_gives_its_place_back() -> None:
    readers = Readers(at_once=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            async with readers.place("org-a"):
                raise ZeroDivisionError
