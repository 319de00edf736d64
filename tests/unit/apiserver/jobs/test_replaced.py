"""Jobs of pods that were replaced: which they are, and who says so."""

from dataclasses import replace
from typing import Any

import pytest

from deplite.kube.errors import NotFoundError
from deplite.protocol.phases import Phase, Reason
from deplite.resources import Agent, DeployJob
from deplite_apiserver.jobs.replaced import Replacements, replaced
from deplite_apiserver.jobs.transition import Claimed, Ended, Transitions, Verdict, decide, ended_by_server
from deplite_apiserver.jobs.view import LiveJob, project
from tests.unit.apiserver.jobs.builders import NAMESPACE, NOW, agent, job, job_body, live
from tests.unit.apiserver.jobs.test_transition import after, report

RUNNING = {"phase": "Running", "instance": "one", "startedAt": "2026-05-31T13:42:18Z"}


def pods(now: str | None, *before: str) -> Agent:
    said: dict[str, Any] = {"replacedPods": list(before)}
    if now is not None:
        said["pod"] = {"name": now, "uid": now, "node": "node-1"}
    return agent(**said)


@pytest.mark.parametrize(
    ("status", "found", "over"),
    [
        (RUNNING | {"pod": "p1"}, pods("p1"), False),
        (RUNNING | {"pod": "p1"}, pods("p2", "p1"), True),
        (RUNNING | {"pod": "p1"}, pods("p2"), True),  # its Agent was made anew
        (RUNNING | {"pod": "p1"}, pods(None), False),  # made anew, and nobody has enrolled
        (RUNNING | {"pod": "p1"}, None, False),
        (RUNNING, pods("p2", "p1"), False),  # claimed outside of any pool
        ({}, pods("p2", "p1"), False),
    ],
)
def test_which_jobs_are_over(status: dict[str, Any], found: Agent | None, over: bool) -> None:
    assert replaced(live(**status), found) is over


class Cluster:
    """Jobs, cached and stored."""

    def __init__(self, *jobs: DeployJob) -> None:
        self.jobs = {one.name: one for one in jobs}
        self.writes: list[str] = []

    def by(self, index: str, key: tuple[str, str]) -> list[Any]:
        assert (index, key) == ("agent", (NAMESPACE, "web"))
        return [project(one) for one in self.jobs.values()]

    async def get(self, kind: Any, namespace: str, name: str) -> DeployJob:
        if name not in self.jobs:
            raise NotFoundError(name)
        return self.jobs[name]

    async def patch_status(self, kind: Any, namespace: str, name: str, body: Any, *, version: Any = None) -> DeployJob:
        self.writes.append(name)
        found = self.jobs[name].wire()
        self.jobs[name] = DeployJob.model_validate(found | {"status": found["status"] | dict(body)})
        return self.jobs[name]


def named(name: str, **status: Any) -> DeployJob:
    body = job_body(**status)
    return DeployJob.model_validate(body | {"metadata": body["metadata"] | {"name": name}})


async def test_at_the_enrolment_the_jobs_of_pods_that_came_before_end_and_no_others() -> None:
    cluster = Cluster(
        named("j-old", **RUNNING, pod="p1"),
        named("j-older", **RUNNING, pod="p0"),
        named("j-new", **RUNNING, pod="p2"),
        named("j-newer", **RUNNING, pod="p3"),  # of a pod that has replaced this one meanwhile
        named("j-bare", **RUNNING),
        named("j-queued"),
    )
    ending = Replacements(
        jobs=cluster,  # type: ignore[arg-type]
        transitions=Transitions(cluster, lambda _: None),
        now=lambda: NOW,
    )
    for _ in range(2):
        await ending.settle(pods("p2", "p0", "p1"))
    assert sorted(cluster.writes) == ["j-old", "j-older"]
    ends = {name: one.status for name, one in cluster.jobs.items() if one.status.phase.finished}
    assert {status.reason for status in ends.values()} == {Reason.AGENT_CRASHED}
    assert all(ended_by_server(status) for status in ends.values())


async def test_a_job_that_is_gone_holds_up_none() -> None:
    class Gone(Cluster):
        def by(self, index: str, key: tuple[str, str]) -> list[Any]:
            return [project(named("j-gone", **RUNNING, pod="p1")), *super().by(index, key)]

    cluster = Gone(named("j-old", **RUNNING, pod="p1"))
    transitions = Transitions(cluster, lambda _: None)
    await Replacements(jobs=cluster, transitions=transitions, now=lambda: NOW).settle(pods("p2", "p1"))  # type: ignore[arg-type]
    assert cluster.writes == ["j-old"]


# --- what a job keeps of its pod -------------------------------------------------------------------------------------


def test_a_claim_and_a_result_without_one_keep_the_pod() -> None:
    claimed = after(job(), Claimed(instance="one", at=NOW, pod="p1"))
    assert (claimed.status.phase, claimed.status.pod) == (Phase.RUNNING, "p1")
    view = project(claimed)
    assert isinstance(view, LiveJob)
    assert view.pod == "p1"
    assert after(job(), replace(report(), pod="p1")).status.pod == "p1"
    assert after(job(), Claimed(instance="one", at=NOW)).status.pod is None


@pytest.mark.parametrize(
    ("pod", "instance", "verdict"),
    [
        ("p1", "one", Verdict.UNCHANGED),
        ("p2", "one", Verdict.ALREADY_CLAIMED),
        (None, "one", Verdict.ALREADY_CLAIMED),
        ("p1", "two", Verdict.ALREADY_CLAIMED),
        ("p2", None, Verdict.ALREADY_CLAIMED),
    ],
)
def test_a_job_of_one_pod_is_no_others(pod: str | None, instance: str | None, verdict: Verdict) -> None:
    claimed = job(**RUNNING, pod="p1")
    assert decide(claimed, Claimed(instance=instance, at=NOW, pod=pod)).verdict is verdict


def test_of_clients_that_name_no_process_the_pod_alone_tells() -> None:
    claimed = after(job(), Claimed(instance=None, at=NOW, pod="p1"))
    assert decide(claimed, Claimed(instance=None, at=NOW, pod="p1")).verdict is Verdict.UNCHANGED
    assert decide(claimed, Claimed(instance=None, at=NOW, pod="p2")).verdict is Verdict.ALREADY_CLAIMED


def test_the_end_is_told_from_an_agents_own_report_and_a_late_result_is_kept() -> None:
    ended = after(job(**RUNNING, pod="p1"), Ended(reason=Reason.AGENT_CRASHED, at=NOW))
    assert (ended.status.phase, ended.status.reason) == (Phase.FAILED, Reason.AGENT_CRASHED)
    assert ended_by_server(ended.status)
    assert decide(ended, replace(report(), pod="p1")).verdict is Verdict.LATE
    assert decide(ended, replace(report(), pod="p2")).verdict is Verdict.ALREADY_CLAIMED
    unclaimed = after(job(), Ended(reason=Reason.EXPIRED, at=NOW))
    assert decide(unclaimed, replace(report(), pod="p1")).verdict is Verdict.LATE
