from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deplite.kube.errors import ConflictError
from deplite.protocol.phases import Phase, Reason
from deplite.resources import DeployJob
from deplite.resources.deployjob import DeployJobStatus
from deplite_apiserver.jobs.recent import Recent
from deplite_apiserver.jobs.transition import (
    ENDINGS,
    UNANSWERED,
    Admitted,
    Claimed,
    Decision,
    Ended,
    Event,
    Reported,
    Transitions,
    Verdict,
    decide,
)
from tests.unit.apiserver.jobs.builders import NAMESPACE, NOW, UID, job

RUNNING = {"phase": "Running", "instance": "one", "startedAt": "2026-05-31T13:42:19Z"}


def report(phase: Phase = Phase.SUCCEEDED, *, instance: str | None = "one", **end: Any) -> Reported:
    status = DeployJobStatus(phase=phase, **end)
    return Reported(instance=instance, status="success", end=status, at=NOW)


def after(before: DeployJob, event: Event) -> DeployJob:
    """Return the job as the API server would hold it after the patch."""
    patch = dict(decide(before, event).patch)
    body = before.wire()
    return DeployJob.model_validate(body | {"status": body["status"] | patch})


@pytest.mark.parametrize(("ago", "finished"), [(0, "13:42:30"), (4, "13:42:26"), (3600, "13:42:19")])
def test_a_job_ended_when_its_agent_says_but_not_before_its_start(ago: int, finished: str) -> None:
    at = datetime(2026, 5, 31, 13, 42, 30, tzinfo=UTC)
    event = replace(report(), at=at, ended_ago=timedelta(seconds=ago))
    assert decide(job(**RUNNING), event).patch["finishedAt"] == f"2026-05-31T{finished}Z"


CLAIM = Claimed(instance="one", at=NOW)
NAME = job().name


@pytest.mark.parametrize(
    ("status", "event", "verdict", "phase"),
    [
        ({}, CLAIM, Verdict.APPLIED, Phase.RUNNING),
        ({}, Claimed(instance=None, at=NOW), Verdict.APPLIED, Phase.RUNNING),
        (RUNNING, CLAIM, Verdict.UNCHANGED, Phase.RUNNING),
        (RUNNING, Claimed(instance="two", at=NOW), Verdict.ALREADY_CLAIMED, Phase.RUNNING),
        (RUNNING, Claimed(instance=None, at=NOW), Verdict.ALREADY_CLAIMED, Phase.RUNNING),
        (RUNNING, Admitted(at=NOW), Verdict.UNCHANGED, Phase.RUNNING),
        ({"phase": "Failed"}, Admitted(at=NOW), Verdict.UNCHANGED, Phase.FAILED),
        ({}, Admitted(at=NOW), Verdict.UNCHANGED, Phase.QUEUED),
        ({"phase": "Succeeded"}, CLAIM, Verdict.JOB_FINISHED, Phase.SUCCEEDED),
        ({"phase": "Succeeded"}, Claimed(instance=None, at=NOW, implied=True), Verdict.UNCHANGED, Phase.SUCCEEDED),
        ({}, report(), Verdict.APPLIED, Phase.SUCCEEDED),
        (RUNNING, report(), Verdict.APPLIED, Phase.SUCCEEDED),
        (RUNNING, report(instance="two"), Verdict.ALREADY_CLAIMED, Phase.RUNNING),
        (RUNNING, report(Phase.FAILED, reason=Reason.EXIT_CODE, exit_code=3), Verdict.APPLIED, Phase.FAILED),
        ({}, Ended(reason=Reason.EXPIRED, at=NOW), Verdict.APPLIED, Phase.FAILED),
        (RUNNING, Ended(reason=Reason.EXPIRED, at=NOW), Verdict.UNCHANGED, Phase.RUNNING),
        ({}, Ended(reason=Reason.AGENT_LOST, at=NOW), Verdict.UNCHANGED, Phase.QUEUED),
        (RUNNING, Ended(reason=Reason.AGENT_LOST, at=NOW), Verdict.APPLIED, Phase.FAILED),
        (RUNNING, Ended(reason=Reason.CANCELLED, at=NOW), Verdict.UNCHANGED, Phase.RUNNING),
        (RUNNING, Ended(reason=Reason.CANCELLED, at=NOW, unanswered=True), Verdict.APPLIED, Phase.FAILED),
        ({}, Ended(reason=Reason.CANCELLED, at=NOW, unanswered=True), Verdict.UNCHANGED, Phase.QUEUED),
        ({}, Ended(reason=Reason.TIMEOUT, at=NOW), Verdict.APPLIED, Phase.FAILED),
        (RUNNING, Ended(reason=Reason.TIMEOUT, at=NOW), Verdict.APPLIED, Phase.FAILED),
        ({"phase": "Succeeded"}, Ended(reason=Reason.TIMEOUT, at=NOW), Verdict.UNCHANGED, Phase.SUCCEEDED),
    ],
)
def test_table(status: dict[str, Any], event: Event, verdict: Verdict, phase: Phase) -> None:
    before = job(**status)
    assert decide(before, event).verdict is verdict
    assert after(before, event).status.phase is phase


def test_a_claim_says_who_and_when() -> None:
    claimed = after(job(), CLAIM).status
    assert (claimed.instance, claimed.started_at) == ("one", NOW)


GROUPED = {"concurrencyGroup": "prod"}


@pytest.mark.parametrize("claim", [CLAIM, Claimed(instance=None, at=NOW), Claimed(instance=None, at=NOW, implied=True)])
def test_no_job_of_a_group_is_claimed_before_its_turn(claim: Claimed) -> None:
    waiting = job(spec=GROUPED)
    assert decide(waiting, claim) == Decision(verdict=Verdict.JOB_WAITING, patch={})
    admitted = after(waiting, Admitted(at=NOW))
    assert (admitted.status.phase, admitted.status.turn_at) == (Phase.QUEUED, NOW)
    assert decide(admitted, Admitted(at=NOW)).verdict is Verdict.UNCHANGED
    assert after(admitted, claim).status.phase is Phase.RUNNING


def test_a_cancelled_job_gets_no_turn_and_its_claim_ends_it() -> None:
    waiting = job(spec=GROUPED | {"cancel": {"by": "olga"}})
    assert decide(waiting, Admitted(at=NOW)).verdict is Verdict.UNCHANGED
    assert decide(waiting, CLAIM).verdict is Verdict.JOB_FINISHED
    assert after(waiting, CLAIM).status.reason is Reason.CANCELLED


def test_a_result_before_its_turn_is_taken_for_it_is_the_truth() -> None:
    assert after(job(spec=GROUPED), report()).status.phase is Phase.SUCCEEDED


def test_a_result_without_a_claim_is_legal_and_claims() -> None:
    ended = after(job(), report()).status
    assert (ended.instance, ended.started_at, ended.finished_at) == ("one", NOW, NOW)


def test_an_equal_result_again_is_unchanged_and_another_one_conflicts() -> None:
    first = report(exit_code=0, output={"url": "x"})
    ended = after(job(**RUNNING), first)
    later = Reported(instance="one", status="success", end=first.end, at=NOW + timedelta(hours=1))
    assert decide(ended, later).verdict is Verdict.UNCHANGED
    assert decide(ended, report(exit_code=1)).verdict is Verdict.RESULT_CONFLICT
    assert decide(ended, report(exit_code=0, output={"url": "y"})).verdict is Verdict.RESULT_CONFLICT


@pytest.mark.parametrize(
    ("reason", "unanswered"),
    [(Reason.AGENT_LOST, False), (Reason.TIMEOUT, False), (Reason.CANCELLED, True), (Reason.SUPERSEDED, True)],
)
def test_a_result_after_the_servers_own_end_is_kept_beside_it(reason: Reason, unanswered: bool) -> None:
    ended = after(job(**RUNNING), Ended(reason=reason, at=NOW, unanswered=unanswered))
    decision = decide(ended, report(exit_code=0))
    assert decision.verdict is Verdict.LATE
    late = after(ended, report(exit_code=0))
    assert (late.status.phase, late.status.reason) == (Phase.FAILED, reason)
    assert late.status.late_result is not None
    assert late.status.late_result.exit_code == 0
    repeat = decide(late, report(exit_code=0))
    assert (repeat.verdict, repeat.patch) == (Verdict.LATE, {})
    assert decide(late, report(exit_code=1)).verdict is Verdict.RESULT_CONFLICT


def test_an_agents_own_timeout_is_no_end_of_the_server() -> None:
    mine = report(Phase.FAILED, reason=Reason.TIMEOUT, message="step build took too long")
    ended = after(job(**RUNNING), mine)
    assert decide(ended, mine).verdict is Verdict.UNCHANGED
    assert decide(ended, report()).verdict is Verdict.RESULT_CONFLICT


def test_a_failure_without_a_reason_after_a_cancel_is_the_cancel() -> None:
    cancelled = job(spec={"cancel": {"by": "ops", "reason": "superseded"}}, **RUNNING)
    event = Reported(
        instance="one",
        status="failed",
        end=DeployJobStatus(phase=Phase.FAILED, reason=Reason.EXIT_CODE, exit_code=143),
        at=NOW,
        unexplained=True,
    )
    ended = after(cancelled, event)
    assert ended.status.reason is Reason.SUPERSEDED
    assert decide(ended, event).verdict is Verdict.UNCHANGED


events = st.one_of(
    st.builds(Claimed, instance=st.sampled_from([None, "one", "two"]), at=st.just(NOW), implied=st.booleans()),
    st.builds(
        report,
        st.sampled_from([Phase.SUCCEEDED, Phase.FAILED]),
        instance=st.sampled_from([None, "one", "two"]),
        exit_code=st.sampled_from([None, 0, 1]),
    ),
    st.builds(Ended, reason=st.sampled_from([*ENDINGS, Reason.REJECTED]), at=st.just(NOW)),
    st.builds(Ended, reason=st.sampled_from([*UNANSWERED]), at=st.just(NOW), unanswered=st.just(True)),
)


@given(st.lists(events, max_size=12))
def test_no_sequence_of_events_leaves_a_terminal_phase_or_goes_back(sequence: list[Event]) -> None:
    order = [Phase.QUEUED, Phase.RUNNING, Phase.SUCCEEDED]
    current = job()
    for event in sequence:
        following = after(current, event)
        if current.status.phase.finished:
            kept = {"late_result"}
            assert following.status.model_dump(exclude=kept) == current.status.model_dump(exclude=kept)
        elif not following.status.phase.finished:
            assert order.index(following.status.phase) >= order.index(current.status.phase)
        assert following.status.instance == current.status.instance or current.status.phase is Phase.QUEUED
        again = decide(following, event)
        if decide(current, event).verdict is Verdict.APPLIED and not isinstance(event, Ended):
            assert again.verdict in (Verdict.UNCHANGED, Verdict.JOB_FINISHED)
        current = following


class Store:
    """One job with a version, written by a stranger as often as told to."""

    def __init__(self, strangers: int) -> None:
        self.job = job()
        self.strangers = strangers
        self.reads = self.writes = 0

    async def get(self, kind: type[DeployJob], namespace: str, name: str) -> DeployJob:
        self.reads += 1
        return self.job

    async def patch_status(
        self, kind: type[DeployJob], namespace: str, name: str, body: Mapping[str, Any], *, version: str | None = None
    ) -> DeployJob:
        if self.strangers:
            self.strangers -= 1
            raise ConflictError("stale")
        self.writes += 1
        wire = self.job.wire()
        self.job = DeployJob.model_validate(wire | {"status": wire["status"] | dict(body)})
        return self.job


async def test_a_conflict_is_decided_again_and_the_answer_noted() -> None:
    store, noted = Store(strangers=4), []
    transitions = Transitions(store, noted.append)
    assert await transitions.apply(NAMESPACE, "j", CLAIM, uid=UID[:8]) is Verdict.APPLIED
    assert store.job.status.phase is Phase.RUNNING
    assert noted == [store.job]
    assert await transitions.apply(NAMESPACE, "j", CLAIM) is Verdict.UNCHANGED
    assert store.writes == 1


async def test_five_conflicts_are_enough() -> None:
    with pytest.raises(ConflictError):
        await Transitions(Store(strangers=5), lambda _: None).apply(NAMESPACE, "j", CLAIM)


async def test_another_object_of_the_name_is_left_alone() -> None:
    store = Store(strangers=0)
    assert await Transitions(store, lambda _: None).apply(NAMESPACE, "j", CLAIM, uid="ffffffff") is Verdict.GONE
    assert store.writes == 0


async def test_a_job_just_written_is_not_read_before_the_next_write() -> None:
    store, recent = Store(strangers=0), Recent()
    recent.put(store.job)
    transitions = Transitions(store, lambda _: None, recent)
    assert await transitions.apply(NAMESPACE, NAME, CLAIM, uid=UID[:8]) is Verdict.APPLIED
    assert await transitions.apply(NAMESPACE, NAME, report(), uid=UID[:8]) is Verdict.APPLIED
    assert (store.reads, store.writes) == (0, 2)


async def test_what_is_remembered_never_answers_by_itself() -> None:
    store, recent = Store(strangers=0), Recent()
    recent.put(after(store.job, CLAIM))  # and then, say, somebody restored a backup
    assert await Transitions(store, lambda _: None, recent).apply(NAMESPACE, NAME, CLAIM) is Verdict.APPLIED
    assert (store.reads, store.writes) == (1, 1)


async def test_what_is_remembered_and_old_is_read_again() -> None:
    store, recent = Store(strangers=1), Recent()
    recent.put(store.job)
    assert await Transitions(store, lambda _: None, recent).apply(NAMESPACE, NAME, CLAIM) is Verdict.APPLIED
    assert (store.reads, store.writes) == (1, 1)


def test_so_many_are_remembered_and_none_that_ended() -> None:
    recent = Recent(most=2)
    jobs = [named(name) for name in "abc"]
    for one in jobs:
        recent.put(one)
    assert [recent.take(NAMESPACE, name) is not None for name in "abca"] == [False, True, True, False]
    recent.put(jobs[0])
    recent.put(after(jobs[0], report()))
    assert recent.take(NAMESPACE, "a") is None


def named(name: str) -> DeployJob:
    found = job()
    return found.model_copy(update={"metadata": found.metadata.model_copy(update={"name": name})})
