"""Who may write only under a Lease: once it is over, nothing of his reaches the Kubernetes API or the bucket."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from deplite.kube.client import KubeClient
from deplite.kube.errors import NotHeldError
from deplite.kube.lease import Lease
from deplite.kube.secret import Secret
from deplite.local.authority import make_pair
from deplite.local.objectstore import ObjectStore
from deplite.resources import Trigger
from deplite_apiserver.storage.connections import BLOCK
from deplite_apiserver.storage.objects import StorageUnavailableError
from deplite_apiserver.storage.s3 import S3Store
from tests.faults.httpproxy import Exchange, HttpProxy
from tests.kube.storing import encrypted, place_of
from tests.unit.apiserver.clocks import StillClock

SPEC = {"agent": "a", "workflow": "w"}


def a_trigger(namespace: str, name: str) -> Trigger:
    return Trigger.model_validate({"metadata": {"name": name, "namespace": namespace}, "spec": SPEC})


@pytest_asyncio.fixture
async def bucket(object_store: ObjectStore) -> AsyncIterator[S3Store]:
    store = S3Store(place_of(object_store))
    yield store
    await store.close()


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest_asyncio.fixture
async def lease(kube: KubeClient, organization: str, clock: StillClock) -> Lease:
    """A Lease that is held, and renewed by nobody: the process stands still."""
    made = Lease(kube, organization, "fence", "first", monotonic=clock.monotonic)
    await made.acquire()
    return made


@dataclass(kw_only=True)
class Wanting:
    """Somebody who writes whatever can be written."""

    fenced: KubeClient
    trigger: Trigger
    secret: Secret

    @classmethod
    async def with_objects(cls, kube: KubeClient, fenced: KubeClient, organization: str) -> "Wanting":
        """Make what can be changed and deleted."""
        trigger = await kube.create(a_trigger(organization, "before"))
        await kube.patch_status(Trigger, *trigger.key, {"runs": 1})
        secret = await kube.create_secret(organization, "before", {"a": b"b"})
        return cls(fenced=fenced, trigger=trigger, secret=secret)

    @property
    def with_body(self) -> list[Callable[[], Awaitable[Any]]]:
        key, organization = self.trigger.key, self.trigger.namespace
        return [
            lambda: self.fenced.create(a_trigger(organization, "after")),
            lambda: self.fenced.patch(Trigger, *key, {"spec": {"workflow": "other"}}),
            lambda: self.fenced.patch_status(Trigger, *key, {"runs": 2}),
            lambda: self.fenced.delete(Trigger, *key),
            lambda: self.fenced.create_secret(organization, "after", {}),
            lambda: self.fenced.replace_secret(self.secret, {"a": b"c"}),
        ]

    @property
    def writes(self) -> list[Callable[[], Awaitable[Any]]]:
        return [*self.with_body, lambda: self.fenced.delete_secret(self.trigger.namespace, "before")]

    async def see_nothing_changed(self) -> None:
        [found] = await self.fenced.list(Trigger, self.trigger.namespace)  # reading goes on
        assert (found.name, found.spec.workflow, found.status.runs) == ("before", "w", 1)
        assert (await self.fenced.get_secret(self.trigger.namespace, "before")).data == {"a": b"b"}


async def test_a_holder_whose_lease_is_over_writes_nothing_to_kubernetes(
    kube: KubeClient, organization: str, lease: Lease, clock: StillClock
) -> None:
    fenced = kube.fenced(lambda: lease.left)
    wanting = await Wanting.with_objects(fenced, fenced, organization)
    clock.advance(15.01)
    for write in wanting.writes:
        with pytest.raises(NotHeldError):
            await write()
    await wanting.see_nothing_changed()


async def test_a_write_whose_turn_comes_after_the_lease_is_not_sent(kube: KubeClient, organization: str) -> None:
    """The process stands still after the write was let through, and before its bytes leave."""
    left: list[float] = []
    wanting = await Wanting.with_objects(kube, kube.fenced(lambda: left.pop(0)), organization)
    before_headers = [(write, [5.0, 0.0]) for write in wanting.writes]
    before_body = [(write, [5.0, 5.0, 0.0]) for write in wanting.with_body]
    for write, left[:] in before_headers + before_body:
        with pytest.raises(NotHeldError):
            await write()
        assert left == []
    await wanting.see_nothing_changed()


async def test_a_holder_whose_lease_is_over_writes_nothing_to_the_bucket(
    bucket: S3Store, lease: Lease, clock: StillClock
) -> None:
    fenced, key = bucket.fenced(lambda: lease.left), f"fence/{secrets.token_hex(4)}"
    await fenced.put(key, b"before")
    clock.advance(15.01)
    with pytest.raises(StorageUnavailableError):
        await fenced.put(key, b"after")
    with pytest.raises(StorageUnavailableError):
        await fenced.delete([key])
    assert await fenced.get(key) == b"before"
    await bucket.put(key, b"by others")


@pytest.mark.parametrize(("scheme", "asked"), [("http", 3), ("https", 2)])
async def test_a_write_to_the_bucket_whose_turn_comes_after_the_lease_is_not_sent(
    bucket: S3Store, object_store: ObjectStore, tmp_path: Path, scheme: str, asked: int
) -> None:
    """It is asked about at first, before it connects, before its head and before each block of its body."""
    left: list[float] = []
    key = f"fence/{secrets.token_hex(4)}"
    await bucket.put(key, b"before")
    async with reached(object_store, tmp_path, scheme) as store:
        fenced = store.fenced(lambda: left.pop(0))
        for write, blocks in ((lambda: fenced.put(key, b"after" * BLOCK), 5), (lambda: fenced.delete([key]), 1)):
            for passed in range(asked + blocks):
                left[:] = [5.0] * passed + [0.0]
                with pytest.raises(StorageUnavailableError):
                    await write()
                assert left == []
                assert await bucket.get(key) == b"before"
    await bucket.put(key, b"by others")


@contextlib.asynccontextmanager
async def reached(object_store: ObjectStore, folder: Path, scheme: str) -> AsyncIterator[S3Store]:
    """Yield a client of the store by http or by https."""
    make_pair(folder, "store")
    async with encrypted(object_store.endpoint, folder / "node.crt", folder / "node.key") as endpoint:
        secure = {"endpoint": endpoint, "ca_file": folder / "authority.crt"} if scheme == "https" else {}
        store = S3Store(place_of(object_store, **secure))
        yield store
        await store.close()


async def test_nor_is_it_sent_once_more(object_store: ObjectStore) -> None:
    """The store, which has broken off the first try, did not see a second one."""
    left = [5.0]
    proxy = HttpProxy(object_store.endpoint)

    async def break_off(exchange: Exchange) -> web.StreamResponse:
        left[0] = 0.0
        return exchange.cut()

    proxy.fault = break_off
    await proxy.start()
    store = S3Store(place_of(object_store, endpoint=proxy.url))
    try:
        with pytest.raises(StorageUnavailableError):
            await store.fenced(lambda: left[0]).put("fence/again", b"")
        assert proxy.asked == {"PUT": 1}
    finally:
        await store.close()
        await proxy.stop()


async def test_who_wakes_after_another_one_held_it_starts_anew(
    kube: KubeClient, organization: str, lease: Lease, clock: StillClock
) -> None:
    """Even where that other one has given it up again: what it wrote is unknown here."""
    clock.advance(20)
    other = Lease(kube, organization, "fence", "second", monotonic=(later := StillClock()).monotonic)
    acquiring = asyncio.create_task(other.acquire())
    while not acquiring.done():
        later.advance(20)
        await asyncio.sleep(0.05)
    await other.release()
    holding = asyncio.create_task(lease.hold())
    await asyncio.wait([holding], timeout=20)
    assert "holds the lease" in str(holding.exception())
    assert not lease.held
