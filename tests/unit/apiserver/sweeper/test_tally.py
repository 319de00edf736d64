"""Counts of triggers: each run once, each trigger written at most once a minute."""

from collections.abc import Mapping
from typing import Any, cast

import pytest

from deplite.kube.cache import Cache
from deplite.kube.client import KubeClient
from deplite.kube.errors import ConflictError, NotFoundError, UnavailableError
from deplite.resources import DeployJob, Trigger
from deplite_apiserver.jobs.view import INDEXES, JobView, project
from deplite_apiserver.sweeper.tally import APART_SECONDS, SETTLE_SECONDS, Tally
from tests.unit.apiserver.clocks import StillClock
from tests.unit.apiserver.jobs.builders import NAMESPACE, job_body, trigger

NOBODY = cast(KubeClient, None)
"""These caches are told what there is; they ask nobody."""
ENDED = {"finishedAt": "2026-05-31T13:44:53Z"}


class Store:
    def __init__(self) -> None:
        self.written: list[dict[str, Any]] = []
        self.error: Exception | None = None
        self.version, self.uid = "1000", "11111111-0000-4000-8000-000000000000"

    async def patch_status(
        self, kind: type[Trigger], namespace: str, name: str, body: Mapping[str, Any], *, version: str | None = None
    ) -> Trigger:
        if self.error is not None:
            raise self.error
        if version != self.version:
            raise ConflictError("stale")
        self.written.append(dict(body))
        return self.shows(body)

    def shows(self, body: Mapping[str, Any]) -> Trigger:
        """Return the trigger as it is from now on."""
        self.version = str(int(self.version) + 1)
        shown = trigger().wire() | {"status": dict(body)}
        shown["metadata"] |= {"resourceVersion": self.version, "uid": self.uid}
        return Trigger.model_validate(shown)


class Scene:
    """A tally that hears of jobs."""

    def __init__(self) -> None:
        self.clock, self.store = StillClock(), Store()
        self.jobs: Cache[JobView] = Cache(NOBODY, DeployJob, project, indexes=INDEXES)
        self.triggers: Cache[Trigger] = Cache(NOBODY, Trigger, Trigger.model_validate)
        self.triggers.note(self.store.shows({}))
        self.tally = Tally(store=self.store, jobs=self.jobs, triggers=self.triggers, monotonic=self.clock.monotonic)
        self.jobs.synced = True
        self.version = 10

    def happens(self, name: str, phase: str = "Queued", **status: Any) -> None:
        self.version += 1
        body = job_body(phase=phase, **status)
        uid = f"{abs(hash(name)) % 2**32:08x}-0000-4000-8000-000000000000"
        body["metadata"] |= {"name": name, "resourceVersion": str(self.version), "uid": uid}
        self.jobs.note(body)

    async def flushed(self, seconds: float) -> list[tuple[int, int, int, str, str]]:
        self.clock.advance(seconds)
        await self.tally.flush()
        return [
            (one["runs"], one["succeeded"], one["failed"], one["lastJob"], one["lastJobPhase"])
            for one in self.store.written
        ]


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_short_job_is_written_once_with_its_end(scene: Scene) -> None:
    scene.happens("j-a")
    assert await scene.flushed(1) == []
    scene.happens("j-a", "Running")
    scene.happens("j-a", "Succeeded", **ENDED)
    assert await scene.flushed(SETTLE_SECONDS) == [(1, 1, 0, "j-a", "Succeeded")]
    assert await scene.flushed(1000) == [(1, 1, 0, "j-a", "Succeeded")]


async def test_further_jobs_wait_for_their_minute_and_counts_add_up(scene: Scene) -> None:
    scene.happens("j-a", "Failed", reason="exit_code", **ENDED)
    assert len(await scene.flushed(SETTLE_SECONDS)) == 1
    for name in ("j-b", "j-c"):
        scene.happens(name)
        assert len(await scene.flushed(SETTLE_SECONDS)) == 1
    assert (await scene.flushed(APART_SECONDS))[1:] == [(3, 0, 1, "j-c", "Queued")]


async def test_what_existed_at_the_start_was_counted_by_whoever_was_there(scene: Scene) -> None:
    scene.jobs.synced = False
    scene.happens("j-old", "Succeeded", **ENDED)
    scene.happens("j-runs")
    scene.jobs.synced = True
    assert await scene.flushed(100) == []
    scene.happens("j-runs", "Succeeded", **ENDED)
    assert await scene.flushed(100) == [(0, 1, 0, "j-runs", "Succeeded")]


async def test_what_could_not_be_written_is_written_later(scene: Scene) -> None:
    scene.happens("j-a", "Succeeded", **ENDED)
    scene.store.error = UnavailableError("away", retry_after=1)
    assert await scene.flushed(SETTLE_SECONDS) == []
    scene.store.error = None
    scene.happens("j-b", "Failed", reason="timeout", **ENDED)
    assert await scene.flushed(APART_SECONDS + SETTLE_SECONDS) == [(2, 1, 1, "j-b", "Failed")]


async def test_a_trigger_that_is_gone_has_no_counts(scene: Scene) -> None:
    scene.happens("j-a")
    scene.store.error = NotFoundError("gone")
    await scene.flushed(SETTLE_SECONDS)
    scene.store.error = None
    scene.happens("j-b")
    scene.triggers.forget(NAMESPACE, "deploy")
    assert await scene.flushed(1000) == []


async def test_the_end_of_the_process_writes_what_is_left(scene: Scene) -> None:
    scene.happens("j-a")
    await scene.tally.flush(all_of_them=True)
    assert [one["runs"] for one in scene.store.written] == [1]


async def test_the_last_job_is_the_newest_not_the_one_that_moved_last(scene: Scene) -> None:
    scene.happens("j-b")
    scene.happens("j-a", "Succeeded", **ENDED)
    assert await scene.flushed(SETTLE_SECONDS) == [(2, 1, 0, "j-b", "Queued")]


async def test_what_another_replica_has_written_is_not_written_again(scene: Scene) -> None:
    """As when this one waits for the Lease, and takes over after that write."""
    for name in ("j-a", "j-b"):
        scene.happens(name, "Succeeded", **ENDED)
    scene.clock.advance(SETTLE_SECONDS)
    scene.triggers.note(scene.store.shows({"runs": 2, "succeeded": 2, "lastJob": "j-b", "lastJobPhase": "Succeeded"}))
    assert await scene.flushed(APART_SECONDS) == []
    scene.happens("j-c", "Failed", reason="timeout", **ENDED)
    assert await scene.flushed(SETTLE_SECONDS) == [(3, 2, 1, "j-c", "Failed")]


async def test_what_the_predecessor_had_not_written_is_written(scene: Scene) -> None:
    scene.happens("j-a", "Succeeded", **ENDED)
    scene.triggers.note(scene.store.shows({"runs": 1, "lastJob": "j-a", "lastJobPhase": "Queued"}))
    assert await scene.flushed(SETTLE_SECONDS) == [(1, 1, 0, "j-a", "Succeeded")]


async def test_a_write_whose_answer_is_lost_counts_once_its_effect_is_seen(scene: Scene) -> None:
    scene.happens("j-a", "Succeeded", **ENDED)
    scene.store.error = UnavailableError("no answer", retry_after=1)
    assert await scene.flushed(SETTLE_SECONDS) == []
    scene.store.error = None
    scene.triggers.note(scene.store.shows({"runs": 1, "succeeded": 1, "lastJob": "j-a", "lastJobPhase": "Succeeded"}))
    assert await scene.flushed(APART_SECONDS) == []


async def test_counts_are_added_to_what_is_there_and_never_to_something_older(scene: Scene) -> None:
    scene.happens("j-a")
    others = scene.store.shows({"runs": 5})
    assert await scene.flushed(SETTLE_SECONDS) == []
    scene.triggers.note(others)
    scene.happens("j-b")
    assert await scene.flushed(SETTLE_SECONDS) == [(6, 0, 0, "j-b", "Queued")]


async def test_a_trigger_made_anew_begins_at_nothing(scene: Scene) -> None:
    scene.happens("j-a")
    scene.store.uid = "22222222-0000-4000-8000-000000000000"
    scene.triggers.note(scene.store.shows({}))
    assert await scene.flushed(1000) == []
