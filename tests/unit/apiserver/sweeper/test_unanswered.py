"""An agent that was told to stop a job and says nothing of it: when the server says how that ended."""

import pytest

from deplite.protocol.phases import Reason
from deplite_apiserver.sweeper.deadlines import UNANSWERED_SECONDS, Facts, unanswered
from tests.unit.apiserver.jobs.builders import live

RUNNING = {"phase": "Running", "startedAt": "2026-05-31T13:42:19Z"}
LONG = UNANSWERED_SECONDS


def facts(*, told: float | None, listening: float = 10 * LONG) -> Facts:
    return Facts(agent=None, silence=0.0, sent_age=None, listening=listening, told_age=told)


@pytest.mark.parametrize("reason", [Reason.CANCELLED, Reason.SUPERSEDED])
def test_it_ends_as_what_was_asked_for(reason: Reason) -> None:
    job = live(spec={"cancel": {"by": "olga", "reason": reason.value}}, **RUNNING)
    assert unanswered(job, facts(told=LONG)) is reason
    assert unanswered(job, facts(told=LONG - 1)) is None


def test_an_agent_that_was_never_told_is_waited_for() -> None:
    job = live(spec={"cancel": {"by": "olga"}}, **RUNNING)
    assert unanswered(job, facts(told=None)) is None


def test_what_we_could_not_hear_does_not_count() -> None:
    job = live(spec={"cancel": {"by": "olga"}}, **RUNNING)
    assert unanswered(job, facts(told=10 * LONG, listening=LONG - 1)) is None


def test_a_job_that_nobody_cancelled_and_one_that_nobody_took_do_not_end_so() -> None:
    assert unanswered(live(**RUNNING), facts(told=LONG)) is None
    assert unanswered(live(spec={"cancel": {"by": "olga"}}), facts(told=LONG)) is None
