"""Finished jobs taken out step by step: nothing that came meanwhile is lost, and one that fails holds up no other."""

from typing import Any, cast

import pytest

from deplite.kube.cache import Cache
from deplite.kube.client import KubeClient
from deplite.kube.errors import NotFoundError
from deplite.resources import DeployJob
from deplite.resources.resource import Resource
from deplite_apiserver.jobs.view import INDEXES, JobView, project
from deplite_apiserver.logs.lines import line
from deplite_apiserver.storage.archive import Archive
from deplite_apiserver.storage.history import History
from deplite_apiserver.storage.logstore import LogStore
from deplite_apiserver.storage.objects import StorageUnavailableError
from deplite_apiserver.storage.pieces import LogName
from deplite_apiserver.sweeper.retire import RETRY_AFTER, Retirement
from tests.unit.apiserver.clocks import StillClock
from tests.unit.apiserver.jobs.builders import NAMESPACE, job_body
from tests.unit.apiserver.storage.bucket import Bucket

TTL = 172_800


def body(number: int, version: int = 7, **status: Any) -> dict[str, Any]:
    made = job_body(phase="Succeeded", finishedAt="2026-05-31T13:42:18Z", **status)
    named = {"name": f"j-{number}", "uid": f"0000000{number}-0000-4000-8000-000000000001"}
    return made | {"metadata": made["metadata"] | named | {"resourceVersion": str(version)}}


class Cluster:
    """The finished jobs, and a cache that hears of them."""

    def __init__(self, jobs: Cache[JobView]) -> None:
        self.cache = jobs
        self.jobs: dict[str, DeployJob] = {}
        self.held: set[str] = set()
        """By a finalizer."""
        self.reads = self.deletions = 0

    def becomes(self, shown: dict[str, Any]) -> None:
        job = DeployJob.model_validate(shown)
        self.jobs[job.name] = job
        self.cache.note(shown)

    async def get(self, kind: type[DeployJob], namespace: str, name: str) -> DeployJob:
        self.reads += 1
        if name not in self.jobs:
            raise NotFoundError("gone")
        return self.jobs[name]

    async def delete(
        self, kind: type[Resource], namespace: str, name: str, *, uid: str | None = None, version: str | None = None
    ) -> None:
        self.deletions += 1
        job = self.jobs.pop(name)
        if name in self.held:
            metadata = job.wire()["metadata"] | {"deletionTimestamp": "2026-06-30T00:00:00Z", "resourceVersion": "8"}
            self.becomes(job.wire() | {"metadata": metadata})
            return
        assert (job.metadata.uid, job.metadata.resource_version) == (uid, version)
        self.cache.forget(namespace, name)


class Scene:
    """A retirement with everything around it."""

    def __init__(self) -> None:
        self.clock = StillClock()
        self.bucket = Bucket(self.clock.now)
        self.logs = LogStore(self.bucket, self.clock.monotonic)
        jobs: Cache[JobView] = Cache(cast(KubeClient, None), DeployJob, project, indexes=INDEXES)
        self.cluster = Cluster(jobs)
        self.retirement = Retirement(
            store=self.cluster,
            jobs=jobs,
            logs=self.logs,
            archive=Archive(self.bucket),
            history=History(self.bucket),
            now=self.clock.now,
            monotonic=self.clock.monotonic,
        )

    def name(self, number: int) -> LogName:
        return LogName(organization=NAMESPACE, storage_key=f"j-{number}-0000000{number}")

    async def append(self, number: int, *seqs: int) -> None:
        await self.logs.append(self.name(number), [line(seq=seq, stream="raw", content="x") for seq in seqs])

    async def after(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await self.retirement.round()

    def objects(self, number: int) -> int:
        return sum(key.startswith(self.name(number).prefix) for key in self.bucket.objects)


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_the_whole_way(scene: Scene) -> None:
    await scene.append(1, 0)
    await scene.append(1, 1)
    scene.cluster.becomes(body(1))
    for seconds, objects in ((299, 2), (1, 4), (59, 4), (1, 2)):
        await scene.after(seconds)
        assert scene.objects(1) == objects
    await scene.after(TTL)
    assert f"jobs/{NAMESPACE}/j-1-00000001.json" in scene.bucket.objects
    assert list(scene.cluster.jobs) == ["j-1"]
    await scene.after(60)
    assert scene.cluster.jobs == {}
    assert scene.objects(1) == 2


async def test_lines_that_come_while_a_log_is_merged_are_merged_next(scene: Scene) -> None:
    await scene.append(1, 0)
    scene.cluster.becomes(body(1))
    put = scene.bucket.put

    async def slow(key: str, data: bytes, content_type: str = "") -> None:
        scene.bucket.put = put  # type: ignore[method-assign]
        await scene.append(1, 1)
        await put(key, data)

    scene.bucket.put = slow  # type: ignore[method-assign]
    for seconds in (300, 15, 60, 60):
        await scene.after(seconds)
    assert scene.objects(1) == 2
    assert [one["seq"] for one in await scene.logs.read(scene.name(1), 0, 10)] == [0, 1]


async def test_a_result_that_comes_after_archiving_is_archived_before_the_object_goes(scene: Scene) -> None:
    scene.cluster.becomes(body(1))
    await scene.after(TTL)
    await scene.after(1)
    late = {"status": "success", "exitCode": 0, "receivedAt": "2026-06-02T13:42:18Z"}
    scene.cluster.becomes(body(1, version=8, lateResult=late))
    await scene.after(60)
    assert list(scene.cluster.jobs) == ["j-1"]
    await scene.after(60)
    assert scene.cluster.jobs == {}
    kept = await Archive(scene.bucket).get(NAMESPACE, "j-1")
    assert kept is not None
    assert kept.status.late_result is not None


async def test_one_log_that_is_damaged_holds_up_no_other_job(scene: Scene) -> None:
    for number in (1, 2, 3):
        await scene.append(number, 0)
        scene.cluster.becomes(body(number))
    [key] = [key for key in scene.bucket.objects if key.startswith(scene.name(2).prefix)]
    whole, at = scene.bucket.objects[key]
    scene.bucket.objects[key] = (whole[:-3], at)
    failed = 0
    for _ in range(10):
        try:
            await scene.after(60)
        except StorageUnavailableError:
            failed += 1
    assert (scene.objects(1), scene.objects(3)) == (2, 2)
    assert 1 <= failed <= 3
    scene.bucket.objects[key] = (whole, at)
    for seconds in (RETRY_AFTER, 60):
        await scene.after(seconds)
    assert scene.objects(2) == 2


async def test_a_store_that_is_away_loses_nothing(scene: Scene) -> None:
    await scene.append(1, 0)
    scene.cluster.becomes(body(1))
    scene.bucket.away = True
    with pytest.raises(StorageUnavailableError):
        await scene.after(300)
    scene.bucket.away = False
    for seconds in (RETRY_AFTER, 60, TTL, 60):
        await scene.after(seconds)
    assert scene.cluster.jobs == {}
    assert len(await scene.logs.read(scene.name(1), 0, 10)) == 1


async def test_a_job_that_was_replaced_is_left_alone(scene: Scene) -> None:
    scene.cluster.becomes(body(1))
    await scene.after(TTL)
    await scene.after(1)
    newer = body(1)
    newer["metadata"] |= {"uid": "ffffffff-0000-4000-8000-000000000001", "resourceVersion": "9"}
    scene.cluster.jobs["j-1"] = DeployJob.model_validate(newer)  # the watch has not brought it yet
    await scene.after(60)
    assert list(scene.cluster.jobs) == ["j-1"]


async def test_one_that_a_finalizer_holds_is_deleted_once_and_left_alone_until_it_changes(scene: Scene) -> None:
    scene.cluster.held.add("j-1")
    scene.cluster.becomes(body(1))
    for seconds in (300, 60, TTL, 60, 60, 60, 60):
        await scene.after(seconds)
    assert (scene.cluster.deletions, "j-1" in scene.cluster.jobs) == (1, True)
    reads = scene.cluster.reads
    await scene.after(3600)
    assert scene.cluster.reads == reads

    late = scene.cluster.jobs["j-1"].wire()
    scene.cluster.becomes(late | {"metadata": late["metadata"] | {"resourceVersion": "9"}})
    for seconds in (60, 60, 60):
        await scene.after(seconds)
    assert scene.cluster.reads > reads  # what came late was archived
    assert scene.cluster.deletions == 1
