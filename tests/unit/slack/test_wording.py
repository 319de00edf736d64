"""A job in words: the same wherever it is told."""

from datetime import UTC, datetime

import pytest

from deplite.protocol.phases import Phase, Reason
from deplite_apiserver.jobs.steps import Step
from deplite_apiserver.slack import texts
from deplite_apiserver.slack.card import Around, card
from deplite_apiserver.slack.wording import duration, moment, state, story
from tests.unit.apiserver.jobs.builders import NOW, job

END = {"startedAt": "2026-05-31T13:42:19Z", "finishedAt": "2026-05-31T13:44:53Z"}


@pytest.mark.parametrize(
    ("seconds", "said"), [(-1, "0 s"), (0, "0 s"), (59.9, "59 s"), (60, "1 min 0 s"), (3661, "1 h 1 min")]
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_a_moment_is_in_the_readers_time_zone() -> None:
    assert moment(datetime(2026, 5, 31, 13, 42, tzinfo=UTC)) == (
        "<!date^1780234920^{date_short_pretty} {time}|2026-05-31 13:42 UTC>"
    )


def test_who_stopped_or_refused_a_job_has_a_word_of_its_own() -> None:
    words = {reason: state(Phase.FAILED, reason)[1] for reason in Reason}
    own = {Reason.CANCELLED: "cancelled", Reason.SUPERSEDED: "superseded", Reason.REJECTED: "refused"}
    assert words == dict.fromkeys(Reason, "failed") | own
    assert state(Phase.RUNNING, Reason.CANCELLED)[1] == "running"


def test_every_end_is_told_in_words_of_its_own() -> None:
    told = [story(job(phase="Failed", reason=reason.value, **END), None, None) for reason in Reason]
    assert len(set(told)) == len(Reason)
    assert all(text.endswith("It ended after 2 min 34 s.") for text in told)


def test_card_and_status_say_the_same_of_a_job() -> None:
    step = Step(name="build", since=NOW)
    for shown in (
        job(),
        job(phase="Running", startedAt=END["startedAt"]),
        job(phase="Running", startedAt=END["startedAt"], spec={"cancel": {"by": "x"}}),
        job(phase="Failed", reason="timeout", message="Too long.", **END),
    ):
        told = story(shown, None, step)
        made = card(shown, Around(title="x", agent="web", url="https://deplite.test", step=step))
        status = texts.status(shown, label="x", waiting=None, step=step, url="https://deplite.test")
        assert told in made.text
        assert told in status.splitlines()
