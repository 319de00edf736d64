"""How much an organization may have of files, and how large one may be; small bounds, on replicas of their own."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx

from deplite.resources import StoredFile
from deplite_apiserver.files.lingering import LINGER_SECONDS
from deplite_apiserver.settings import Settings
from deplite_apiserver.storage.s3 import S3Store
from tests.kube.edge.answers import refused
from tests.kube.edge.people import People
from tests.kube.edge.trails import recorded_of
from tests.kube.files.conftest import keys
from tests.kube.files.doors import Door, of_person, put
from tests.kube.jobs.conftest import Bench, KubeClient, benched
from tests.kube.serving import MovableClock, served


@contextlib.asynccontextmanager
async def bounded(
    settings: Settings,
    kube: KubeClient,
    organization: str,
    people: People,
    clock: MovableClock | None = None,
    **bounds: int,
) -> AsyncIterator[tuple[Bench, Door]]:
    async with (
        served(settings.model_copy(update=bounds), clock) as replica,
        benched(kube, organization, replica, people) as bench,
    ):
        yield bench, of_person(bench)


def full(answer: httpx.Response, limit: int, observed: int) -> None:
    body = refused(answer, 429, "quota_exceeded")
    assert (body["error"], body["scope"], body["limit"]) == ("quota_exceeded", "organization", limit)
    assert (body["observed"], body["retryAfter"] >= 1) == (observed, True)


async def came_to(file_id: str, bench: Bench, settings: Settings) -> tuple[str, str, int]:
    """Return what the audit record says of the one thing that happened to a file after it was announced."""
    _, record = await recorded_of(file_id, bench.replica, settings, bench.namespace)
    return record["action"], record["code"], record["status"]


async def test_an_upload_above_the_cap_is_deleted_at_complete(
    settings: Settings, kube: KubeClient, organization: str, people: People, bucket: S3Store
) -> None:
    async with bounded(settings, kube, organization, people, max_file_bytes=10) as (bench, door):
        upload = await door.announce()
        assert (await put(upload, b"0123456789+")).status_code == 200
        refused(await door.complete(upload["fileId"]), 422, "file_too_large")
        assert await keys(bucket, organization, upload["fileId"]) == []
        assert await kube.list(StoredFile, organization) == []
        refused(await door.complete(upload["fileId"]), 404, "not_found")
        assert await came_to(upload["fileId"], bench, settings) == ("file.refused", "file_too_large", 422)
        refused(await door.ask("POST", door.announcing, {"size": 11}), 422, "file_too_large")
        assert (await door.shown(await door.stored(b"0123456789", size=10))).json()["size"] == 10


async def test_files_are_counted_those_that_are_only_announced_too(
    settings: Settings, kube: KubeClient, organization: str, people: People
) -> None:
    clock = MovableClock()
    async with bounded(settings, kube, organization, people, clock, max_files=2) as (_, door):
        first = await door.stored(b"x")
        await door.announce()
        full(await door.ask("POST", door.announcing, {}), 2, 2)
        clock.ahead += LINGER_SECONDS + 600
        assert (await door.delete(first)).status_code == 204
        await door.announce()


async def test_bytes_are_counted_as_they_are_announced_and_as_they_come(
    settings: Settings, kube: KubeClient, organization: str, people: People, bucket: S3Store
) -> None:
    clock = MovableClock()
    async with bounded(settings, kube, organization, people, clock, max_storage_bytes=100) as (bench, door):
        announced = await door.announce(size=60)
        full(await door.ask("POST", door.announcing, {"size": 41}), 100, 60)
        unsaid = await door.announce()
        assert (await put(unsaid, b"x" * 41)).status_code == 200
        full(await door.complete(unsaid["fileId"]), 100, 60)
        assert await keys(bucket, organization, unsaid["fileId"]) == []
        assert await came_to(unsaid["fileId"], bench, settings) == ("file.refused", "quota_exceeded", 429)
        assert (await put(announced, b"x" * 60)).status_code == 200
        assert (await door.complete(announced["fileId"])).status_code == 200
        rest = await door.stored(b"x" * 40)
        full(await door.ask("POST", door.announcing, {}), 100, 100)
        clock.ahead += LINGER_SECONDS + 600
        assert (await door.delete(rest)).status_code == 204
        await door.announce(size=40)
        listed: Any = (await bench.http.get(door.files, headers={"Authorization": f"Bearer {bench.owner}"})).json()
        assert sorted(one["size"] for one in listed) == [40, 60]
