"""An agent that was told to stop a job and says nothing of it: when the server says how that ended."""

from datetime import timedelta

import pytest

from deplite.protocol.phases import Reason
from deplite_apiserver.sweeper.deadlines import UNANSWERED_SECONDS, Facts, unanswered
from tests.unit.apiserver.jobs.builders import NOW, live

RUNNING = {"phase": "Running", "startedAt": "2026-05-31T13:42:19Z"}
LONG = UNANSWERED_SECONDS
LATE = NOW + timedelta(seconds=100 * LONG)


def facts(*, told: float | None, listening: float = 10 * LONG) -> Facts:
    return Facts(agent=None, silence=0.0, sent_age=None, listening=listening, told_age=told)


@pytest.mark.parametrize("reason", [Reason.CANCELLED, Reason.SUPERSEDED])
def test_it_ends_as_what_was_asked_for(reason: Reason) -> None:
    job = live(spec={"cancel": {"by": "olga", "reason": reason.value}}, **RUNNING)
    assert unanswered(job, facts(told=LONG), LATE) is reason
    assert unanswered(job, facts(told=LONG - 1), LATE) is None


def test_an_agent_that_was_never_told_is_waited_for() -> None:
    job = live(spec={"cancel": {"by": "olga"}}, **RUNNING)
    assert unanswered(job, facts(told=None), LATE) is None


def test_what_we_could_not_hear_does_not_count() -> None:
    job = live(spec={"cancel": {"by": "olga"}}, **RUNNING)
    assert unanswered(job, facts(told=10 * LONG, listening=LONG - 1), LATE) is None


def test_a_job_that_nobody_cancelled_and_one_that_nobody_took_do_not_end_so() -> None:
    assert unanswered(live(**RUNNING), facts(told=LONG), LATE) is None
    assert unanswered(live(spec={"cancel": {"by": "olga"}}), facts(told=LONG), LATE) is None


def test_it_cannot_have_been_told_before_it_was_claimed_whatever_the_clock_of_redis_says() -> None:
    job = live(spec={"cancel": {"by": "olga"}}, **RUNNING | {"startedAt": "2026-05-31T14:42:18Z"})
    claimed = NOW + timedelta(hours=1)
    assert unanswered(job, facts(told=1e9), claimed + timedelta(seconds=LONG - 1)) is None
    assert unanswered(job, facts(told=1e9), claimed + timedelta(seconds=LONG)) is Reason.CANCELLED
