"""Which unfinished jobs end, and why."""

from datetime import timedelta
from typing import Any

import pytest

from deplite.protocol.phases import Reason
from deplite_apiserver.sweeper.deadlines import LOST_SECONDS, Facts, verdict
from tests.unit.apiserver.jobs.builders import NOW, agent, live

QUEUE, JOB = 900, 3600
RUNNING = {"phase": "Running", "startedAt": "2026-05-31T13:42:18Z"}
CANCEL = {"cancel": {"by": "ops", "reason": "superseded"}}


def facts(**known: Any) -> Facts:
    return Facts(**{"agent": agent(), "silence": 0.0, "sent_age": None, "listening": 10_000.0} | known)


def after(seconds: float, status: dict[str, Any], spec: dict[str, Any] | None = None, **known: Any) -> Reason | None:
    """Ask about a job that was made (and, running, claimed) so many seconds ago."""
    return verdict(live(spec=spec, **status), facts(**known), NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("seconds", "sent_age", "listening", "reason"),
    [
        (0, None, 10_000, None),
        (QUEUE - 1, None, 10_000, None),
        (QUEUE, None, 10_000, Reason.EXPIRED),
        (QUEUE, None, 60, Reason.EXPIRED),
        (QUEUE, None, 59, None),  # we have just come back: it gets the chance to be sent
        (QUEUE * 100, 0.0, 10_000, None),  # sent: its agent may be at work
        (QUEUE * 100, JOB - 1.0, 10_000, None),
        (QUEUE * 100, float(JOB), 10_000, Reason.TIMEOUT),
        (JOB - 1, 1e9, 10_000, None),  # by Redis' clock, which is wrong
        (JOB, 1e9, 10_000, Reason.TIMEOUT),
    ],
)
def test_a_queued_job(seconds: int, sent_age: float | None, listening: float, reason: Reason | None) -> None:
    assert after(seconds, {}, sent_age=sent_age, listening=listening) is reason


def test_no_queue_time_counts_before_the_turn_in_the_concurrency_group() -> None:
    grouped = {"concurrencyGroup": "prod"}
    assert after(QUEUE * 1000, {}, grouped) is None
    turn = {"turnAt": "2026-05-31T14:42:18Z"}
    assert after(3600 + QUEUE - 1, turn, grouped) is None
    assert after(3600 + QUEUE, turn, grouped) is Reason.EXPIRED
    assert after(3600 + JOB - 1, turn, grouped, sent_age=1e9) is None
    assert after(3600 + JOB, turn, grouped, sent_age=1e9) is Reason.TIMEOUT


def test_a_queue_time_shorter_than_a_minute_is_kept() -> None:
    assert after(5, {}, {"queueSeconds": 5}, listening=4) is None
    assert after(5, {}, {"queueSeconds": 5}, listening=5) is Reason.EXPIRED


@pytest.mark.parametrize(
    ("seconds", "silence", "reason"),
    [
        (0, 0, None),
        (JOB - 1, 0, None),
        (JOB, 0, Reason.TIMEOUT),
        (JOB, LOST_SECONDS, Reason.TIMEOUT),
        (300, LOST_SECONDS - 1, None),
        (300, LOST_SECONDS, Reason.AGENT_LOST),
    ],
)
@pytest.mark.parametrize("sent_age", [None, 1.0, 1e9])
def test_a_running_job(seconds: int, silence: float, reason: Reason | None, sent_age: float | None) -> None:
    assert after(seconds, RUNNING, silence=silence, sent_age=sent_age) is reason


def test_a_job_whose_pod_was_replaced_ends_as_that_and_not_as_lost_or_late() -> None:
    pod = {"name": "web-agents-2", "uid": "p2", "node": "node-1"}
    running = RUNNING | {"pod": "p1"}
    for seconds, silence in ((0, 0), (JOB, LOST_SECONDS)):
        assert after(seconds, running, agent=agent(pod=pod), silence=silence) is Reason.AGENT_CRASHED
    assert after(0, RUNNING | {"pod": "p2"}, agent=agent(pod=pod)) is None


def test_a_running_job_is_timed_from_its_claim() -> None:
    late = RUNNING | {"startedAt": "2026-05-31T14:42:18Z"}
    assert after(JOB + JOB - 1, late) is None
    assert after(JOB + JOB, late) is Reason.TIMEOUT
    assert after(JOB, {"phase": "Running"}) is Reason.TIMEOUT  # written by somebody else, without a start


def test_a_queued_job_of_a_silent_agent_is_not_lost() -> None:
    assert after(300, {}, silence=1e9) is None


@pytest.mark.parametrize(
    ("status", "known", "reason"),
    [
        ({}, {"agent": agent(spec={"revoked": True})}, Reason.AGENT_REVOKED),
        ({}, {"agent": agent(spec={"revoked": True}), "sent_age": 5.0}, Reason.AGENT_REVOKED),
        (RUNNING, {"agent": agent(spec={"revoked": True})}, Reason.AGENT_REVOKED),
        (RUNNING, {"agent": agent(spec={"revoked": True}), "silence": 1e9}, Reason.AGENT_REVOKED),
        ({}, {"agent": None}, None),
        ({}, {"agent": agent(spec={"suspended": True})}, None),
    ],
)
def test_a_revoked_agent(status: dict[str, Any], known: dict[str, Any], reason: Reason | None) -> None:
    assert after(10, status, **known) is reason


def test_a_cancelled_job_ends_only_while_it_is_queued() -> None:
    assert after(1, {}, CANCEL) is Reason.SUPERSEDED
    assert after(1, {}, CANCEL, sent_age=0.5) is Reason.SUPERSEDED
    assert after(1, RUNNING, CANCEL) is None
    assert after(QUEUE, {}, CANCEL, agent=agent(spec={"revoked": True})) is Reason.SUPERSEDED


def test_settled_by_240_seconds_and_shown_as_disconnected_before() -> None:
    from deplite_apiserver.dispatch.presence import SILENT_SECONDS
    from deplite_apiserver.sweeper.loop import Periods

    assert SILENT_SECONDS + Periods().presence <= 185
    assert SILENT_SECONDS < LOST_SECONDS
    assert LOST_SECONDS + Periods().deadlines < 240
