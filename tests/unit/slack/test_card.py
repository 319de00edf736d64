"""Cards as Slack takes them: every job has one, nothing from outside gets a meaning in it."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deplite.protocol.phases import Reason
from deplite.resources import DeployJob
from deplite.resources.credentials import mint
from deplite_apiserver.jobs.steps import Step
from deplite_apiserver.jobs.waiting import Waiting
from deplite_apiserver.slack.card import CANCEL, RERUN, Around, Card, card
from tests.slackfake.blocks import problems
from tests.slackfake.workspace import texts
from tests.unit.apiserver.jobs.builders import NOW, job

URL = "https://deplite.example.com/api/jobs/j-x"
END = {"startedAt": "2026-05-31T13:42:19Z", "finishedAt": "2026-05-31T13:44:53Z"}
TEXTS = st.text(st.sampled_from("&<>*_~`!@#|\n\x1b[]0m\u202e😀a ")) | st.text()
LONG = TEXTS | st.integers(1, 5000).map(lambda length: "<" * length)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | LONG, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)
)
OURS = re.compile(r"<!date\^\d+\^\{date_short_pretty\} \{time\}\|[0-9: -]+UTC>|<https://deplite[^<>|]+\|[\w ]+>")


def around(**changes: Any) -> Around:
    return Around(**{"title": "Deploy Prod", "agent": "web", "url": URL} | changes)


def said(made: Card) -> str:
    return "\n".join([made.text, *texts(made.blocks)])


def buttons(made: Card) -> dict[str, Any]:
    return {one["action_id"]: one for block in made.blocks if block["type"] == "actions" for one in block["elements"]}


@st.composite
def jobs(draw: st.DrawFn) -> DeployJob:
    phase = draw(st.sampled_from(["Queued", "Running", "Succeeded", "Failed"]))
    status: dict[str, Any] = {"phase": phase, "message": draw(st.none() | LONG)}
    if phase == "Failed":
        status["reason"] = draw(st.none() | st.sampled_from([reason.value for reason in Reason]))
        status["rejection"] = draw(st.none() | st.builds(lambda reason: {"reason": reason}, TEXTS))
    if phase in ("Succeeded", "Failed"):
        status |= {"finishedAt": END["finishedAt"], "exitCode": draw(st.none() | st.integers(0, 255))}
        status["output"] = draw(st.none() | st.dictionaries(LONG, VALUES, max_size=40))
    if phase != "Queued":
        status["startedAt"] = END["startedAt"]
    kind = draw(st.sampled_from(["token", "user", "schedule", "slack", "kubernetes"]))
    spec = {
        "workflow": draw(TEXTS),
        "ref": draw(st.none() | st.text(min_size=1, max_size=255)),
        "trigger": draw(st.none() | st.just("deploy")),
        "cancel": draw(st.none() | st.just({"by": "x"})),
        "requestedBy": {"kind": kind, "id": draw(st.text(max_size=512)), "name": draw(st.text(max_size=128))},
    }
    good = job()
    made = good.spec.model_copy(update={"workflow": spec["workflow"], "ref": spec["ref"], "trigger": spec["trigger"]})
    rest = job(spec={key: spec[key] for key in ("cancel", "requestedBy")}).spec
    made = made.model_copy(update={"cancel": rest.cancel, "requested_by": rest.requested_by})
    return good.model_copy(update={"spec": made, "status": good.status.model_validate(_bounded(status))})


def _bounded(status: dict[str, Any]) -> dict[str, Any]:
    """Return what the schema of the cluster lets through."""
    status["message"] = status["message"] and status["message"][:4096]
    return status


@given(jobs(), LONG, LONG, st.none() | st.sampled_from(Waiting), st.none() | LONG)
def test_slack_takes_every_card_and_nothing_from_outside_means_anything(
    shown: DeployJob, title: str, agent: str, waiting: Waiting | None, step: str | None
) -> None:
    known = None if step is None else Step(name=step, since=NOW)
    made = card(shown, around(title=title, agent=agent, waiting=waiting, step=known))
    assert problems(made.blocks) == []
    assert 0 < len(made.text) <= 4000
    for text in mrkdwn(made):
        assert not re.search(r"[<>]", OURS.sub("", text)), text
    json.dumps(made.blocks).encode()


def mrkdwn(made: Card) -> list[str]:
    found = [made.text]

    def look(value: Any) -> None:
        if isinstance(value, dict) and value.get("type") == "mrkdwn":
            assert value["verbatim"] is True
            found.append(value["text"])
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            look(inner)

    look(made.blocks)
    return found


def test_who_does_not_see_the_blocks_hears_what_matters() -> None:
    made = card(job(spec={"ref": "main"}, phase="Failed", reason="exit_code", exitCode=3, **END), around())
    assert made.text == "Deploy Prod at `main`: failed. A step failed. Exit code 3. It ended after 2 min 34 s."


def test_a_queued_job_says_what_it_waits_for_and_can_be_cancelled() -> None:
    made = card(job(), around(waiting=Waiting.AGENT_OFFLINE))
    assert made.blocks[0]["text"]["text"] == ":hourglass_flowing_sand: Deploy Prod: queued"
    assert "waits for its agent, which is not connected" in said(made)
    (button,) = buttons(made).values()
    assert (button["action_id"], button["value"]) == (CANCEL, job().name)
    assert button["confirm"]["text"]["text"]


def test_a_running_job_says_its_step_and_since_when() -> None:
    running = job(phase="Running", startedAt=END["startedAt"])
    made = card(running, around(step=Step(name="build", since=NOW)))
    assert "step `build` since <!date^" in said(made)
    assert "; step" not in said(card(running, around()))
    assert set(buttons(made)) == {CANCEL}


def test_a_job_that_was_asked_to_stop_has_no_button_and_says_so() -> None:
    made = card(job(spec={"cancel": {"by": "x"}}, phase="Running", startedAt=END["startedAt"]), around())
    assert "asked to stop" in said(made)
    assert buttons(made) == {}


def test_a_success_says_how_long_it_took_and_what_came_out() -> None:
    made = card(job(phase="Succeeded", exitCode=0, output={"url": "https://x", "n": [1, True]}, **END), around())
    assert "It succeeded after 2 min 34 s." in said(made)
    assert "url = https://x\nn = [1, true]" in said(made)
    assert URL in said(made)
    assert set(buttons(made)) == {RERUN}


@pytest.mark.parametrize("reason", list(Reason))
def test_every_end_has_a_plain_sentence(reason: Reason) -> None:
    made = card(job(phase="Failed", reason=reason.value, message="In its words.", exitCode=3, **END), around())
    assert re.search(r"[A-Z][\w ,]+\. .*Exit code 3\. It ended after 2 min 34 s\.", said(made))
    assert "In its words." in said(made)
    assert reason.value not in made.text.split() or reason in (Reason.REJECTED, Reason.CANCELLED, Reason.SUPERSEDED)


def test_a_cancelled_job_is_not_called_failed() -> None:
    assert "cancelled" in card(job(phase="Failed", reason="cancelled", **END), around()).text
    assert "superseded" in card(job(phase="Failed", reason="superseded", **END), around()).text


def test_why_an_agent_refused_is_told() -> None:
    rejected = job(phase="Failed", reason="rejected", rejection={"reason": "Only on weekdays."}, **END)
    assert "Only on weekdays." in said(card(rejected, around()))


def test_no_param_and_no_secret_is_shown() -> None:
    token = mint("tk").plain
    shown = job(
        spec={"params": {"password": "hunter2"}},
        phase="Failed",
        reason="exit_code",
        message=f"refused {token}",
        output={"token": token},
        **END,
    )
    made = said(card(shown, around()))
    assert "hunter2" not in made
    assert token not in made
    assert "token = ***" in made


def test_a_job_without_a_trigger_cannot_be_run_again() -> None:
    assert buttons(card(job(spec={"trigger": None}, phase="Succeeded", **END), around())) == {}


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ({"kind": "token", "id": "tok-x", "name": "ci"}, "API token `ci`"),
        ({"kind": "token", "id": "tok-x"}, "API token `tok-x`"),
        ({"kind": "user", "id": "https://issuer#ann"}, "`ann`"),
        ({"kind": "slack", "id": "T1/U1", "name": "ann"}, "`ann`"),
        ({"kind": "schedule", "id": "schedule", "name": "2026-05-31T04:00:00Z"}, "its schedule"),
        ({}, "the cluster"),
    ],
)
def test_who_asked_for_it(who: dict[str, str], expected: str) -> None:
    assert expected in said(card(job(spec={"requestedBy": who}), around()))
