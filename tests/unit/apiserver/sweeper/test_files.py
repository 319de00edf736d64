"""Files whose time is over, and objects that no file names."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from deplite.kube.cache import Cache
from deplite.kube.client import KubeClient
from deplite.kube.errors import ConflictError, ForbiddenError, NotFoundError, UnavailableError
from deplite.resources import DeployJob, StoredFile
from deplite.resources.resource import Resource
from deplite_apiserver.files.measured import Measured
from deplite_apiserver.files.view import INDEXES, FileView, project
from deplite_apiserver.jobs.view import INDEXES as JOB_INDEXES
from deplite_apiserver.jobs.view import JobView
from deplite_apiserver.jobs.view import project as project_job
from deplite_apiserver.storage.objects import StorageUnavailableError
from deplite_apiserver.sweeper.files import JOB_ENDED_AFTER, UNCOMPLETED_AFTER, Files, over
from deplite_apiserver.sweeper.strays import OWNER_KEY, STRAY_AFTER, Strays
from tests.unit.apiserver.clocks import StillClock
from tests.unit.apiserver.jobs.builders import NAMESPACE, NOW, UID, job_body, meta
from tests.unit.apiserver.storage.bucket import Bucket

MOMENT = timedelta(seconds=1)
HOUR = timedelta(hours=1)
JOB = "j-" + "a" * 26


def utc(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def file_body(name: str = "file-a", *, rule: str = "ttl", stored: bool = True, **extra: Any) -> dict[str, Any]:
    """A file that came at `NOW` and expires an hour later."""
    status: dict[str, Any] = {"phase": "Pending"}
    if stored:
        status = {"phase": "Stored", "size": 1, "checksum": "x", "storedAt": utc(NOW)}
        status |= {"expiresAt": utc(NOW + HOUR)} if rule == "ttl" else {}
    spec = {"cleanupRule": rule} | ({"job": JOB, "jobUid": UID[:8]} if rule == "on_job_end" else {}) | extra
    return {"metadata": meta(name), "spec": spec, "status": status}


def a_file(name: str = "file-a", **extra: Any) -> FileView:
    return project(file_body(name, **extra))


def a_slow_file(**extra: Any) -> FileView:
    """One whose upload took two hours."""
    body = file_body(rule="on_job_end", **extra)
    body["status"] |= {"storedAt": utc(NOW + 2 * HOUR)}
    return project(body)


def a_job(uid: str = UID, **status: Any) -> JobView:
    body = job_body(**status)
    return project_job(body | {"metadata": body["metadata"] | {"uid": uid}})


RUNNING = a_job(phase="Running")
ENDED = a_job(phase="Succeeded", finishedAt=utc(NOW + HOUR))
ANOTHER = a_job("ffffffff-0000-4000-8000-000000000001", phase="Running")
EVER = timedelta(days=3000)


@pytest.mark.parametrize(
    ("file", "job", "after"),
    [
        pytest.param(a_file(), None, HOUR, id="ttl"),
        pytest.param(a_file(rule="persistent"), None, None, id="persistent"),
        pytest.param(a_file(stored=False), None, UNCOMPLETED_AFTER, id="never completed"),
        pytest.param(a_file(stored=False, rule="persistent"), None, UNCOMPLETED_AFTER, id="persistent, not completed"),
        pytest.param(a_file(stored=False, rule="on_job_end"), RUNNING, UNCOMPLETED_AFTER, id="of a job, not completed"),
        pytest.param(a_file(rule="on_job_end"), RUNNING, None, id="of a job that goes on"),
        pytest.param(a_file(rule="on_job_end"), ENDED, HOUR + JOB_ENDED_AFTER, id="of a job that ended"),
        pytest.param(a_slow_file(), ENDED, 2 * HOUR + JOB_ENDED_AFTER, id="stored long after its job ended"),
        pytest.param(a_slow_file(), None, 2 * HOUR + JOB_ENDED_AFTER, id="stored long after its job was gone"),
        pytest.param(a_file(stored=False, rule="on_job_end"), ENDED, UNCOMPLETED_AFTER, id="uploading, its job ended"),
        pytest.param(a_file(stored=False, rule="on_job_end"), None, UNCOMPLETED_AFTER, id="uploading, its job is gone"),
        pytest.param(a_file(rule="on_job_end"), None, JOB_ENDED_AFTER, id="of a job that is gone"),
        pytest.param(a_file(rule="on_job_end"), ANOTHER, JOB_ENDED_AFTER, id="of an older job of that id"),
    ],
)
def test_table(file: FileView, job: JobView | None, after: timedelta | None) -> None:
    assert over(file, job, NOW + EVER) is (after is not None)
    if after is not None:
        assert over(file, job, NOW + after)
        assert not over(file, job, NOW + after - MOMENT)


def test_a_namespace_that_is_being_deleted_is_left_alone() -> None:
    body = file_body()
    body["metadata"] |= {"deletionTimestamp": utc(NOW)}
    assert not over(project(body), None, NOW + EVER)


class Cluster:
    """As `KubeClient`; what it holds may be newer than the cache."""

    def __init__(self, *bodies: dict[str, Any]) -> None:
        self.bodies = {body["metadata"]["name"]: body for body in bodies}
        self.failing: dict[str, Exception] = {}
        self.deleted: list[tuple[str, str | None, str | None]] = []
        self.listed: list[str] = []

    async def get(self, kind: type[StoredFile], namespace: str, name: str) -> StoredFile:
        if name not in self.bodies:
            raise NotFoundError("gone")
        return kind.model_validate(self.bodies[name])

    async def delete(
        self, kind: type[Resource], namespace: str, name: str, *, uid: str | None = None, version: str | None = None
    ) -> None:
        if name in self.failing:
            raise self.failing[name]
        self.deleted.append((name, uid, version))
        del self.bodies[name]

    async def list(self, kind: type[StoredFile], namespace: str) -> Sequence[StoredFile]:
        self.listed.append(namespace)
        return [
            kind.model_validate(body) for body in self.bodies.values() if body["metadata"]["namespace"] == namespace
        ]


class Sweep:
    """Both sweeps over a few files, each with an object."""

    def __init__(self, *bodies: dict[str, Any]) -> None:
        self.clock = StillClock()
        self.bucket = Bucket(self.clock.now)
        self.cluster = Cluster(*bodies)
        nobody = cast(KubeClient, None)
        self.files: Cache[FileView] = Cache(nobody, StoredFile, project, indexes=INDEXES)
        self.jobs: Cache[JobView] = Cache(nobody, DeployJob, project_job, indexes=JOB_INDEXES)
        self.files.synced = self.jobs.synced = True
        for body in bodies:
            self.files.note(body)
            self.bucket.objects[project(body).key] = (b"x", NOW)
        store, bucket, files, clock = self.cluster, self.bucket, self.files, self.clock
        self.over = Files(store=store, bucket=bucket, files=files, jobs=self.jobs, clock=clock)
        self.measured = Measured(files, clock.monotonic)
        self.strays = Strays(
            store=store,
            bucket=bucket,
            files=files,
            clock=clock,
            installation="ours",
            measured=self.measured,
            max_file_bytes=100,
        )

    def keys(self) -> list[str]:
        return sorted(self.bucket.objects.keys() - {OWNER_KEY})


async def test_what_is_due_goes_with_its_object_and_the_rest_stays() -> None:
    due, kept = file_body("file-a"), file_body("file-b", rule="persistent")
    sweep = Sweep(due, kept)
    await sweep.over.round()
    assert len(sweep.keys()) == 2
    sweep.clock.advance(3600)
    await sweep.over.round()
    assert sweep.cluster.deleted == [("file-a", UID, "7")]
    assert sweep.keys() == [project(kept).key]
    assert [file.name for file in sweep.files.values()] == ["file-b"]


async def test_one_that_was_completed_just_now_stays() -> None:
    sweep = Sweep(file_body(stored=False))
    sweep.cluster.bodies["file-a"] = file_body(rule="persistent")
    sweep.clock.advance(UNCOMPLETED_AFTER.total_seconds())
    await sweep.over.round()
    assert sweep.cluster.deleted == []
    assert len(sweep.keys()) == 1


@pytest.mark.parametrize("error", [NotFoundError("gone"), ConflictError("changed"), ForbiddenError("no")])
async def test_one_that_cannot_be_removed_holds_up_no_other(error: Exception) -> None:
    sweep = Sweep(file_body("file-a"), file_body("file-b"))
    sweep.cluster.failing["file-a"] = error
    sweep.clock.advance(3600)
    await sweep.over.round()
    assert [name for name, _, _ in sweep.cluster.deleted] == ["file-b"]
    assert sweep.keys() == [a_file("file-a").key]


async def test_a_cluster_or_a_store_that_is_away_ends_the_round() -> None:
    sweep = Sweep(file_body("file-a"), file_body("file-b"))
    sweep.clock.advance(3600)
    sweep.cluster.failing = {name: UnavailableError("away", retry_after=1) for name in ("file-a", "file-b")}
    with pytest.raises(UnavailableError):
        await sweep.over.round()
    sweep.cluster.failing = {}
    sweep.bucket.away = True
    with pytest.raises(StorageUnavailableError):
        await sweep.over.round()
    assert len(sweep.cluster.deleted) == 1
    sweep.bucket.away = False
    await sweep.over.round()
    assert len(sweep.keys()) == 1, "the object that lost its file is the other sweep's"
    sweep.clock.advance(3600)
    await sweep.strays.round()
    assert sweep.keys() == []


@pytest.mark.parametrize("trouble", ["synced", "failing"])
async def test_nothing_goes_while_a_cache_may_lack_something(trouble: str) -> None:
    sweep = Sweep(file_body(rule="on_job_end"))
    lacking = Sweep()
    lacking.bucket.objects = dict(sweep.bucket.objects)
    for cache in (sweep.jobs, lacking.files):
        setattr(cache, trouble, trouble == "failing")
    for clock in (sweep.clock, lacking.clock):
        clock.advance(EVER.total_seconds())
    await sweep.over.round()
    await lacking.strays.round()
    assert len(sweep.keys()) == len(lacking.keys()) == 1


async def test_objects_without_a_file_go_when_they_are_old_enough() -> None:
    kept = file_body()
    sweep = Sweep(kept)
    strays = [f"files/{NAMESPACE}/f-{'b' * 16}-0a1b2c3d", f"files/org-gone/f-{'b' * 16}-0a1b2c3d"]
    # That of an older file of the same id is a stray, too.
    strays.append(f"files/{NAMESPACE}/{a_file().id}-ffffffff")
    for key in strays:
        await sweep.bucket.put(key, b"x")
    sweep.clock.advance(STRAY_AFTER.total_seconds() - 1)
    await sweep.strays.round()
    assert len(sweep.keys()) == 4
    sweep.clock.advance(1)
    await sweep.strays.round()
    assert sweep.keys() == [project(kept).key]


async def test_a_file_that_only_the_cluster_knows_keeps_its_object() -> None:
    sweep = Sweep()
    sweep.cluster.bodies["file-a"] = file_body()
    await sweep.bucket.put(a_file().key, b"x")
    sweep.clock.advance(EVER.total_seconds())
    await sweep.strays.round()
    assert sweep.keys() == [a_file().key]
    assert sweep.cluster.listed == [NAMESPACE]


@pytest.mark.parametrize(
    "key", ["files/readme", "files/org-a/other", "files/else/f-a-0a1b2c3d", "files/org-a/f-a/b", "logs/org-a/j-a/p/x"]
)
async def test_what_is_not_of_our_making_is_not_ours_to_remove(key: str) -> None:
    sweep = Sweep()
    await sweep.bucket.put(key, b"x")
    sweep.clock.advance(EVER.total_seconds())
    await sweep.strays.round()
    assert sweep.keys() == [key]


async def test_every_page_is_looked_at() -> None:
    sweep = Sweep()
    for number in range(2_500):
        await sweep.bucket.put(f"files/{NAMESPACE}/f-{number:016}-0a1b2c3d", b"x")
    sweep.clock.advance(STRAY_AFTER.total_seconds())
    await sweep.strays.round()
    assert sweep.keys() == []


async def test_after_a_restore_with_new_uids_nothing_is_removed_while_the_bucket_names_the_old_installation() -> None:
    restored = file_body()
    sweep = Sweep(restored)
    key = project(restored).key
    under_old_uid = f"{key[:-8]}ffffffff"
    sweep.bucket.objects[under_old_uid] = sweep.bucket.objects.pop(key)
    sweep.bucket.objects[OWNER_KEY] = (b"the uid of before", NOW)
    sweep.clock.advance(STRAY_AFTER.total_seconds() + 1)
    await sweep.strays.round()
    assert sweep.keys() == [under_old_uid]
    sweep.bucket.objects[key] = sweep.bucket.objects[under_old_uid]  # as docs/files.md says
    del sweep.bucket.objects[OWNER_KEY]
    await sweep.strays.round()
    assert sweep.keys() == [key]


async def test_in_a_bucket_of_another_installation_nothing_is_removed(caplog: pytest.LogCaptureFixture) -> None:
    kept = file_body()
    sweep = Sweep(kept)
    stray = "files/org-a/f-aaaaaaaaaaaaaaaa-00000000"
    sweep.bucket.objects[stray] = (b"x", NOW)
    sweep.bucket.objects[OWNER_KEY] = (b"another", NOW)
    sweep.clock.advance(STRAY_AFTER.total_seconds() + 1)
    await sweep.strays.round()
    assert stray in sweep.bucket.objects
    assert "another installation" in caplog.text
    del sweep.bucket.objects[OWNER_KEY]
    await sweep.strays.round()
    assert sweep.keys() == [project(kept).key]
    assert sweep.bucket.objects[OWNER_KEY][0] == b"ours"


async def test_each_round_measures_what_no_record_tells_of() -> None:
    declared, unsaid = file_body("file-a", stored=False, size=60), file_body("file-b", stored=False)
    sweep = Sweep(declared, unsaid, file_body("file-c"))
    for body, size in ((declared, 60), (unsaid, 100)):
        await sweep.bucket.put(project(body).key, b"x" * size)
    stray = f"files/{NAMESPACE}/f-{'b' * 16}-0a1b2c3d"
    await sweep.bucket.put(stray, b"x" * 7)
    await sweep.bucket.put(f"files/org-b/f-{'b' * 16}-0a1b2c3d", b"x" * 3)
    await sweep.bucket.put("files/readme", b"x" * 5)
    await sweep.strays.round()
    assert (sweep.measured.of(NAMESPACE), sweep.measured.of("org-b")) == (107, 3)
    assert len(sweep.keys()) == 6
    sweep.clock.advance(STRAY_AFTER.total_seconds())
    await sweep.strays.round()
    assert (sweep.measured.of(NAMESPACE), sweep.measured.of("org-b")) == (100, 0)


async def test_an_upload_that_is_larger_than_a_file_may_be_goes_at_once_record_first() -> None:
    large = file_body("file-a", stored=False)
    sweep = Sweep(large, file_body("file-b", stored=False))
    await sweep.bucket.put(project(large).key, b"x" * 101)
    sweep.cluster.failing["file-a"] = ForbiddenError("no")
    await sweep.strays.round()
    assert len(sweep.keys()) == 2, "its record is there"
    sweep.cluster.failing = {}
    await sweep.strays.round()
    assert sweep.cluster.deleted == [("file-a", UID, "7")]
    assert sweep.keys() == [a_file("file-b").key]


async def test_a_large_upload_that_was_completed_just_now_stays() -> None:
    large = file_body("file-a", stored=False)
    sweep = Sweep(large)
    await sweep.bucket.put(project(large).key, b"x" * 101)
    sweep.cluster.bodies["file-a"] = file_body("file-a")
    await sweep.strays.round()
    assert len(sweep.keys()) == 1
