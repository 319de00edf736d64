"""What commands answer: safe to be shown, within Slack's bounds, and honest."""

from typing import Any

import pytest

from deplite_apiserver.errors import NotFoundError, RateLimitedError, ValidationFailedError
from deplite_apiserver.jobs.waiting import Waiting
from deplite_apiserver.logs.lines import line
from deplite_apiserver.slack import texts
from deplite_apiserver.slack.mrkdwn import units
from deplite_apiserver.slack.texts import Says
from tests.unit.apiserver.jobs.builders import job, trigger

SAYS = Says(command="/ship")
SECRET = "ghp_" + "a1B2" * 9
EVIL = f"<!channel> <https://evil.test|x> *b* `c` {SECRET}"


def lines(count: int, content: str = "x") -> list[dict[str, Any]]:
    return [line(seq=seq, stream="raw", content=f"{content}{seq}") for seq in range(count)]


def assert_safe(text: str) -> None:
    assert "<!channel>" not in text
    assert "<https://evil" not in text
    assert SECRET not in text


def test_help_names_the_command_as_it_is_called_there() -> None:
    for text in (SAYS.help(), SAYS.problem("No."), SAYS.not_linked(), SAYS.unknown(), SAYS.slow(), SAYS.no_job()):
        assert "/ship" in text
        assert "/deplite" not in text


@pytest.mark.parametrize("phase", ["Queued", "Running", "Succeeded", "Failed"])
def test_the_status_of_a_job_is_safe_and_short(phase: str) -> None:
    ended = {"finishedAt": "2026-05-31T13:44:53Z", "message": EVIL * 50} if phase in ("Succeeded", "Failed") else {}
    begun = {"startedAt": "2026-05-31T13:42:19Z"} if phase != "Queued" else {}
    found = job(spec={"ref": "main`<!here>"}, phase=phase, **begun, **ended)
    waiting = Waiting.AGENT_OFFLINE if phase == "Queued" else None
    text = texts.status(found, label=EVIL, waiting=waiting, step=None, url="https://deplite.test/api/jobs/j-x")
    assert_safe(text)
    assert units(text) <= 3000
    assert found.name in text
    assert phase.lower() in text.splitlines()[0]
    assert "<https://deplite.test/api/jobs/j-x|details>" in text


def test_how_long_it_took_is_told() -> None:
    ended = {"startedAt": "2026-05-31T13:42:19Z", "finishedAt": "2026-05-31T13:44:53Z"}
    found = job(phase="Failed", exitCode=3, reason="exit_code", **ended)
    text = texts.status(found, label="x", waiting=None, step=None, url="https://deplite.test")
    assert "A step failed. Exit code 3. It ended after 2 min 34 s." in text
    assert "ended <!date^" in text


def test_the_end_of_a_log_is_what_came_last_as_far_as_it_fits() -> None:
    text = texts.log_end(job(), lines(30, "y" * 300))
    assert units(text) <= 3000
    assert f"{'y' * 300}29\n```" in text
    assert "y0\n" not in text


def test_a_log_of_one_endless_line_is_cut() -> None:
    text = texts.log_end(job(), lines(1, "z" * 100_000))
    assert units(text) <= 3000
    assert "zzz" in text


def test_a_log_cannot_leave_its_block() -> None:
    text = texts.log_end(job(), lines(2, f"```{EVIL}\x1b[31m"))
    assert_safe(text)
    assert text.count("```") == 2
    assert "\x1b" not in text


def test_an_empty_log_says_so() -> None:
    assert "no lines" in texts.log_end(job(), [])


def test_triggers_are_listed_up_to_thirty() -> None:
    found = [trigger(displayName=EVIL, suspended=True) for _ in range(35)]
    text = texts.triggers(found, {"web": EVIL}, "/ship")
    assert_safe(text)
    assert text.count("•") == 30
    assert "5 more" in text
    assert "suspended" in text
    assert "There are no triggers" in texts.triggers([], {}, "/ship")


def test_a_refusal_says_when_to_try_again() -> None:
    assert texts.refused(RateLimitedError(retry_after=42)) == "Rate limit exceeded. Try again in 42 s."
    assert "Try again" not in texts.refused(NotFoundError())
    assert_safe(texts.refused(ValidationFailedError(EVIL)))


def test_what_is_called_alike_is_proposed() -> None:
    assert "`deploy-prod`" in SAYS.unknown_trigger(["deploy-prod"])
    assert "Did you mean" not in SAYS.unknown_trigger([])
    assert_safe(texts.ambiguous([EVIL]))


def test_what_was_started_is_told_once() -> None:
    assert texts.started(job(), EVIL, again=False).startswith("Started")
    assert "already" in texts.started(job(), EVIL, again=True)
    assert_safe(texts.started(job(spec={"ref": SECRET}), EVIL, again=False))
