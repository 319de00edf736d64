"""How long a job waited: from hearing of it to its claim, whichever of watch and answer comes first."""

from typing import Any, cast

import pytest

from deplite.kube.cache import Cache
from deplite.resources import DeployJob
from deplite_apiserver.jobs.view import INDEXES, JobView, project
from deplite_apiserver.metrics.jobs import JobMeter
from deplite_apiserver.metrics.metrics import Metrics


class Timeline:
    """A cache without a server, and a clock that is set."""

    def __init__(self) -> None:
        self.jobs: Cache[JobView] = Cache(cast(Any, None), DeployJob, project, indexes=INDEXES)
        self.jobs.synced = True
        self.metrics, self.now = Metrics(), 100.0
        self.meter = JobMeter(self.metrics, self.jobs, lambda: self.now)

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


def job(phase: str, version: int, **status: Any) -> DeployJob:
    metadata = {"name": "j-1", "namespace": "org-a", "uid": "0000000a-1", "resourceVersion": str(version)}
    metadata["creationTimestamp"] = "2026-01-01T00:00:00Z"
    spec = {"agent": "a", "workflow": "w", "trigger": "t"}
    return DeployJob.model_validate({"metadata": metadata, "spec": spec, "status": {"phase": phase} | status})


QUEUED = job("Queued", 1)
RUNNING = job("Running", 2, startedAt="2026-01-01T00:00:03Z")
FAILED = job("Failed", 3, reason="agent_lost", startedAt="2026-01-01T00:00:03Z", finishedAt="2026-01-01T00:00:33.500Z")


@pytest.mark.parametrize("watch_first", [True, False])
def test_a_job_waits_from_hearing_of_it_to_its_claim(watch_first: bool) -> None:
    timeline = Timeline()
    timeline.jobs.note(QUEUED)
    timeline.now += 0.25
    if watch_first:
        timeline.jobs.note(RUNNING)
    timeline.meter.moved(QUEUED, RUNNING)
    timeline.jobs.note(RUNNING)
    assert timeline.value("deplite_job_dispatch_seconds_sum") == 0.25
    timeline.meter.moved(RUNNING, FAILED)
    assert timeline.value("deplite_jobs_ended_total", phase="Failed", reason="agent_lost") == 1
    assert timeline.value("deplite_job_duration_seconds_sum", phase="Failed") == 30.5


def test_a_job_that_was_there_at_the_start_waited_nobody_knows_how_long() -> None:
    timeline = Timeline()
    timeline.jobs.synced = False
    timeline.jobs.note(QUEUED)
    timeline.meter.moved(QUEUED, RUNNING)
    assert timeline.value("deplite_job_dispatch_seconds_count") == 0


def test_a_job_that_ends_without_a_claim_has_no_duration_and_is_forgotten() -> None:
    timeline = Timeline()
    timeline.jobs.note(QUEUED)
    ended = job("Failed", 2, reason="expired", finishedAt="2026-01-01T00:01:00Z")
    timeline.meter.moved(QUEUED, ended)
    timeline.jobs.note(ended)
    assert timeline.value("deplite_jobs_ended_total", phase="Failed", reason="expired") == 1
    assert timeline.value("deplite_job_duration_seconds_count", phase="Failed") is None
    timeline.meter.moved(QUEUED, RUNNING)
    assert timeline.value("deplite_job_dispatch_seconds_count") == 0


def test_a_write_that_moves_no_phase_counts_nothing() -> None:
    timeline = Timeline()
    timeline.meter.moved(RUNNING, RUNNING)
    assert timeline.value("deplite_jobs_ended_total", phase="Failed", reason="agent_lost") == 0
