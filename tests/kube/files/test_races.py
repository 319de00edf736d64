"""Several callers at once: one change from pending to stored, and nothing that was acknowledged is lost."""

import asyncio
from collections import Counter

import pytest

from deplite.resources import StoredFile
from deplite_apiserver.settings import Settings
from deplite_apiserver.storage.s3 import S3Store
from tests.kube.edge.answers import refused
from tests.kube.edge.trails import recorded
from tests.kube.files.conftest import keys
from tests.kube.files.doors import Door, put
from tests.kube.jobs.conftest import Bench


async def test_many_completions_at_once_are_one(door: Door, stage: Bench, settings: Settings) -> None:
    upload = await door.announce(size=3)
    assert (await put(upload, b"abc")).status_code == 200
    answers = await asyncio.gather(*(door.complete(upload["fileId"]) for _ in range(8)))
    assert [answer.status_code for answer in answers] == [200] * 8
    assert len({answer.text for answer in answers}) == 1
    records = await recorded(stage.replica, settings, stage.namespace)
    mine = Counter(one["action"] for one in records if one["object"]["id"] == upload["fileId"])
    assert mine == {"file.announced": 1, "file.stored": 1}


async def test_many_uploads_at_once_are_one(door: Door) -> None:
    upload = await door.announce()
    contents = [bytes([number]) * 1000 for number in range(8)]
    answers = await asyncio.gather(*(put(upload, content) for content in contents))
    assert 200 in [answer.status_code for answer in answers]
    assert (await door.complete(upload["fileId"])).status_code == 200
    got = (await door.content(upload["fileId"])).content
    assert got in contents
    for content in contents:
        assert (await put(upload, content)).status_code == 412
    assert (await door.content(upload["fileId"])).content == got


async def test_many_deletions_at_once_are_one(door: Door, stage: Bench, bucket: S3Store) -> None:
    file_id = await door.stored(b"abc")
    answers = await asyncio.gather(*(door.delete(file_id) for _ in range(5)))
    assert Counter(answer.status_code for answer in answers) == {204: 1, 404: 4}
    for answer in answers:
        if answer.status_code != 204:
            refused(answer, 404, "not_found")
    assert await keys(bucket, stage.namespace, file_id) == []


@pytest.mark.parametrize("_round", range(5))
async def test_a_completion_beside_a_deletion_leaves_all_or_nothing(
    doors: dict[str, Door], stage: Bench, bucket: S3Store, _round: int
) -> None:
    door = doors["person"]
    upload = await door.announce()
    assert (await put(upload, b"abc")).status_code == 200
    completed, deleted = await asyncio.gather(door.complete(upload["fileId"]), door.delete(upload["fileId"]))
    assert completed.status_code in (200, 404, 409), completed.text
    assert deleted.status_code == 204, deleted.text
    assert await keys(bucket, stage.namespace, upload["fileId"]) == []
    refused(await door.shown(upload["fileId"]), 404, "not_found")
    assert (await door.complete(upload["fileId"])).status_code == 404


async def test_what_another_replica_completed_can_be_downloaded_at_once(
    doors: dict[str, Door], stage: Bench, bucket: S3Store
) -> None:
    door = doors["person"]
    upload = await door.announce()
    assert (await put(upload, b"abc")).status_code == 200
    (made,) = [
        one
        for one in await stage.kube.list(StoredFile, stage.namespace)
        if (await keys(bucket, stage.namespace, upload["fileId"]))[0].endswith(one.metadata.uid[:8])
    ]
    status = {"phase": "Stored", "size": 3, "storedAt": "2026-01-01T00:00:00Z"}
    await stage.kube.patch_status(StoredFile, *made.key, status)
    assert (await door.content(upload["fileId"])).content == b"abc"
