"""An address that is used again, an upload of no announced size, and many at once: nothing gets past the quota."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from deplite.kube.client import KubeClient
from deplite.resources import StoredFile
from deplite_apiserver.files.lingering import LINGER_SECONDS
from deplite_apiserver.settings import Settings
from deplite_apiserver.storage.s3 import S3Store
from tests.kube.edge.answers import refused
from tests.kube.edge.people import People
from tests.kube.files.conftest import keys
from tests.kube.files.doors import Door, of_person, put
from tests.kube.files.test_room import full
from tests.kube.jobs.timeline import Timeline, timeline
from tests.kube.serving import until


@asynccontextmanager
async def attacked(
    settings: Settings, kube: KubeClient, organization: str, people: People, **bounds: int
) -> AsyncIterator[tuple[Timeline, Door]]:
    async with timeline(settings.model_copy(update=bounds), kube, organization, people) as line:
        yield line, of_person(line.bench)


@pytest.mark.parametrize("way", ["deleted", "refused"])
async def test_what_is_stored_again_after_its_record_is_gone_stays_counted(
    settings: Settings, kube: KubeClient, organization: str, people: People, bucket: S3Store, way: str
) -> None:
    async with attacked(settings, kube, organization, people, max_storage_bytes=1000) as (line, door):
        await line.sweep()  # its first round is over: no other one comes by itself
        upload = await door.announce(size=900)
        later = await door.announce(size=50)
        assert (await put(upload, b"x" * 900)).status_code == 200
        if way == "deleted":
            assert (await door.delete(upload["fileId"])).status_code == 204
        else:
            (key,) = await keys(bucket, organization, upload["fileId"])
            await bucket.put(key, b"y")
            refused(await door.complete(upload["fileId"]), 422, "upload_mismatch")
        assert (await put(upload, b"x" * 900)).status_code == 200
        full(await door.ask("POST", door.announcing, {"size": 900}), 1000, 950)
        await line.sweep()
        assert (await door.delete(later["fileId"])).status_code == 204
        line.sleep(LINGER_SECONDS + 600)
        await line.sweep()
        full(await door.ask("POST", door.announcing, {"size": 101}), 1000, 900)
        line.sleep(7200)
        await line.sweep()
        await until(lambda: keys(bucket, organization, upload["fileId"]), [])
        await door.announce(size=1000)


async def test_a_deleted_file_keeps_its_place_while_its_address_is_good(
    settings: Settings, kube: KubeClient, organization: str, people: People
) -> None:
    async with attacked(settings, kube, organization, people, max_files=2) as (line, door):
        for _ in range(2):
            assert (await door.delete((await door.announce())["fileId"])).status_code == 204
        full(await door.ask("POST", door.announcing, {}), 2, 2)
        line.sleep(LINGER_SECONDS + 600)
        await door.announce()


async def test_an_upload_of_no_announced_size_is_capped_and_counted_before_it_is_completed(
    settings: Settings, kube: KubeClient, organization: str, people: People, bucket: S3Store
) -> None:
    bounds = {"max_file_bytes": 600, "max_storage_bytes": 1000}
    async with attacked(settings, kube, organization, people, **bounds) as (line, door):
        large, small = await door.announce(), await door.announce()
        assert (await put(large, b"x" * 601)).status_code == 200
        assert (await put(small, b"x" * 500)).status_code == 200
        await line.sweep()
        await until(lambda: keys(bucket, organization, large["fileId"]), [])
        assert len(await kube.list(StoredFile, organization)) == 1
        await line.sweep()
        full(await door.ask("POST", door.announcing, {"size": 501}), 1000, 500)
        assert (await door.complete(small["fileId"])).status_code == 200
        full(await door.ask("POST", door.announcing, {"size": 501}), 1000, 500)
        await door.announce(size=500)


async def test_announcements_at_once_pass_no_bound_together(
    settings: Settings, kube: KubeClient, organization: str, people: People
) -> None:
    async with attacked(settings, kube, organization, people, max_storage_bytes=1000, max_files=4) as (_, door):
        many = [door.ask("POST", door.announcing, {"size": 900}) for _ in range(20)]
        assert Counter(answer.status_code for answer in await asyncio.gather(*many)) == {201: 1, 429: 19}
        many = [door.ask("POST", door.announcing, {"size": 1}) for _ in range(20)]
        assert Counter(answer.status_code for answer in await asyncio.gather(*many)) == {201: 3, 429: 17}
        assert len(await kube.list(StoredFile, organization)) == 4


async def test_completions_at_once_pass_no_bound_together(
    settings: Settings, kube: KubeClient, organization: str, people: People
) -> None:
    async with attacked(settings, kube, organization, people, max_storage_bytes=1000) as (_, door):
        uploads = [await door.announce() for _ in range(20)]
        for upload in uploads:
            assert (await put(upload, b"x" * 900)).status_code == 200
        answers = await asyncio.gather(*(door.complete(upload["fileId"]) for upload in uploads))
        assert Counter(answer.status_code for answer in answers) == {200: 1, 429: 19}
