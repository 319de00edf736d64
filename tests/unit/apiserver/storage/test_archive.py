"""Finished jobs past their time in the cluster."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deplite.resources import DeployJob
from deplite_apiserver.storage.archive import Archive
from deplite_apiserver.storage.objects import StorageUnavailableError
from tests.unit.apiserver.jobs.builders import NAMESPACE, job
from tests.unit.apiserver.storage.bucket import Bucket

ENDED = {"phase": "Succeeded", "exitCode": 0, "finishedAt": "2026-05-31T13:44:53Z"}


def named(name: str, uid: str, **status: Any) -> DeployJob:
    made = job(**ENDED | status)
    return made.model_copy(update={"metadata": made.metadata.model_copy(update={"name": name, "uid": uid})})


async def test_a_job_comes_back_whole() -> None:
    bucket = Bucket()
    kept = job(**ENDED, output={"url": "https://x", "größe": "☃"})
    await Archive(bucket).put(kept)
    assert await Archive(bucket).get(NAMESPACE, kept.name) == kept
    assert list(bucket.objects) == [f"jobs/{NAMESPACE}/{kept.storage_key}.json"]


async def test_a_repeat_writes_the_same_object() -> None:
    bucket = Bucket()
    for _ in range(2):
        await Archive(bucket).put(job(**ENDED))
    assert len(bucket.objects) == 1


async def test_of_two_jobs_with_one_id_the_newest_is_given() -> None:
    at = datetime(2026, 5, 31, tzinfo=UTC)
    bucket = Bucket(lambda: at)
    archive = Archive(bucket)
    await archive.put(named("j-a", "ffffffff-1"))
    at += timedelta(days=3)
    await archive.put(named("j-a", "00000000-1", exitCode=7))
    found = await archive.get(NAMESPACE, "j-a")
    assert found is not None
    assert (found.metadata.uid, found.status.exit_code) == ("00000000-1", 7)


@pytest.mark.parametrize("other", ["j-", "j-b", "j-a-0", "j-a-0a1b2c3", "j-a-0a1b2c3d.json"])
async def test_a_name_that_begins_alike_is_another_job(other: str) -> None:
    archive = Archive(Bucket())
    await archive.put(named("j-a", "0a1b2c3d-1"))
    await archive.put(named("j-a-0a1b2c3d", "0a1b2c3d-2"))
    assert await archive.get(NAMESPACE, other) is None
    assert await archive.get("org-other", "j-a") is None
    found = await archive.get(NAMESPACE, "j-a")
    assert found is not None
    assert found.name == "j-a"


async def test_a_store_that_is_away_is_no_absent_job() -> None:
    bucket = Bucket()
    bucket.away = True
    with pytest.raises(StorageUnavailableError):
        await Archive(bucket).get(NAMESPACE, "j-a")
