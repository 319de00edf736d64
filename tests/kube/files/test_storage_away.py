"""While the storage is away nothing is promised and nothing is lost; when it is back, all goes on."""

import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite.resources import StoredFile
from deplite_apiserver.settings import Settings
from deplite_apiserver.storage.s3 import S3Store
from tests.faults.proxy import FaultProxy
from tests.kube.edge.answers import refused
from tests.kube.edge.people import People
from tests.kube.files.conftest import keys
from tests.kube.files.doors import Door, of_agent, of_person, of_token, put
from tests.kube.jobs.conftest import Bench, benched
from tests.kube.serving import served, until


@pytest_asyncio.fixture
async def proxied(
    settings: Settings, kube: KubeClient, organization: str, people: People
) -> AsyncIterator[tuple[Bench, FaultProxy]]:
    """A bench of a replica that reaches the storage through a proxy; callers reach it themselves."""
    async with contextlib.AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(FaultProxy(urlsplit(settings.s3.endpoint).port or 0))
        behind = settings.s3.model_copy(update={"endpoint": proxy.url, "public_endpoint": settings.s3.endpoint})
        waits = settings.waits.model_copy(update={"request": 10})
        replica = await stack.enter_async_context(served(settings.model_copy(update={"s3": behind, "waits": waits})))
        yield await stack.enter_async_context(benched(kube, organization, replica, people)), proxy


async def door_of(bench: Bench, kind: str) -> Door:
    match kind:
        case "person":
            return of_person(bench)
        case "token":
            return await of_token(bench, "files")
    return of_agent(bench, await bench.made())


@pytest.mark.parametrize("kind", ["person", "token", "agent"])
async def test_nothing_is_lost_and_nothing_promised(
    proxied: tuple[Bench, FaultProxy], bucket: S3Store, kube: KubeClient, kind: str
) -> None:
    bench, proxy = proxied
    door = await door_of(bench, kind)
    old = await door.stored(b"old")
    upload = await door.announce(size=3)
    assert (await put(upload, b"abc")).status_code == 200
    before = {one.name: one.metadata.resource_version for one in await kube.list(StoredFile, bench.namespace)}
    await proxy.refuse()
    for answer in (
        await door.complete(upload["fileId"]),
        await door.delete(upload["fileId"]),
        await door.delete(old),
        await door.address(old),
    ):
        assert refused(answer, 503, "storage_unavailable")["retryAfter"] >= 1
    # What needs no storage goes on: signing asks nobody, and what is known is known.
    assert (await door.shown(old)).json()["status"] == "stored"
    assert (await door.shown(upload["fileId"])).json()["status"] == "pending"
    assert (await door.complete(old)).status_code == 200
    during = await door.announce()
    after = {one.name: one.metadata.resource_version for one in await kube.list(StoredFile, bench.namespace)}
    assert before.items() <= after.items()
    await proxy.accept()

    async def completes() -> int:
        return (await door.complete(upload["fileId"])).status_code

    await until(completes, 200)
    assert (await door.content(upload["fileId"])).content == b"abc"
    assert (await put(during, b"during")).status_code == 200
    assert (await door.complete(during["fileId"])).status_code == 200
    assert (await door.delete(old)).status_code == 204
    assert await keys(bucket, bench.namespace, old) == []


async def test_a_storage_that_says_nothing_is_away_soon(proxied: tuple[Bench, FaultProxy]) -> None:
    bench, proxy = proxied
    door = of_person(bench)
    upload = await door.announce()
    assert (await put(upload, b"abc")).status_code == 200
    proxy.fall_silent()
    try:
        refused(await door.complete(upload["fileId"]), 503, "storage_unavailable")
    finally:
        proxy.speak()
        proxy.cut()

    async def completes() -> int:
        return (await door.complete(upload["fileId"])).status_code

    await until(completes, 200)
