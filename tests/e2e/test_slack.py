"""A team works from Slack: connected in a browser, linked by a code, runs followed on cards, and disconnected again.

Everything is real but Slack: `deplite up` as a user starts it, HTTP both ways, signatures, tokens, Secrets.
"""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import deplite, read_env
from tests.e2e.running import wait_for
from tests.e2e.slackday import WORKFLOW, Day
from tests.slackfake import FakeSlack, serving


@pytest.fixture(scope="module")
def slack() -> Iterator[FakeSlack]:
    with serving() as fake:
        yield fake


@pytest.fixture(scope="module")
def day(slack: FakeSlack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    folder = tmp_path_factory.mktemp("slack-up")
    data = folder / "data"
    (data / "workflows").mkdir(parents=True)
    (data / "workflows" / "ship.yaml").write_text(WORKFLOW.replace("GATES", str(folder)))
    started = deplite("up", "--detach", "--data", str(data), timeout=280, **slack.environment(folder))
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        slack.app_url = read_env(data / "env")["DEPLITE_URL"]
        yield Day(data=data, gates=folder, slack=slack)
    finally:
        deplite("down", "--data", str(data))


def test_from_the_install_to_the_end_of_the_app(day: Day) -> None:
    _connect(day)
    _link(day)
    _follow_a_run(day)
    _cancel_and_rerun(day)
    _be_told_of_runs_from_elsewhere(day)
    _remove(day)
    _no_secret_was_told(day)


def _connect(day: Day) -> None:
    assert day.slack.verify_url().json["challenge"] == "3eZbrw1aB"
    assert "not connected" in day.command("triggers"), "a workspace that nobody connected"
    asked = day.ask("GET", "/slack/install-url")
    refused = day.slack.install(asked["url"], deny=True)
    assert day.ask("GET", "/slack/installations") == []
    page = day.slack.install(day.ask("GET", "/slack/install-url")["url"])
    assert page.status_code == 200, page.text
    assert refused.status_code == 400, refused.text
    assert "not installed" in refused.text
    assert "Acme" in page.text
    (shown,) = day.ask("GET", "/slack/installations")
    assert (shown["teamId"], shown["connected"], shown["linkedUsers"]) == ("T0DEPLITE", True, 0)
    ((_, has_secret),) = day.in_cluster()
    assert has_secret


def _link(day: Day) -> None:
    day.trigger("web", concurrency={"policy": "queue"})
    assert "deplite slack link" in day.command("run web"), "whom we do not know starts nothing"
    assert "linked" in day.link("U0ANN")
    (shown,) = day.ask("GET", "/slack/installations")
    assert shown["linkedUsers"] == 1
    assert "web" in day.command("triggers")


def _follow_a_run(day: Day) -> None:
    job = day.run_by_command("web main gated=true")
    day.card(job, "running", "build")
    (day.gates / "built").touch()
    day.card(job, "running", "roll out")
    (day.gates / "rolled-out").touch()
    card = day.card(job, "succeeded", "https://app.example.com")
    assert card.channel == "C0GENERAL"
    assert card.button("deplite_rerun")
    assert not card.button("deplite_cancel")
    assert "ann" in card.said, "who asked"
    assert day.ended(job)["status"] == "success"
    assert "rolling out" in day.command("logs web")
    assert job in day.command("status")


def _cancel_and_rerun(day: Day) -> None:
    for gate in ("built", "rolled-out"):
        (day.gates / gate).unlink()
    first = day.run_by_command("web main gated=true")
    day.card(first, "running", "build")
    waiting = day.run_by_command("web main")
    card = day.card(waiting, "queued")
    assert day.slack.press(card, "deplite_cancel").status == 200
    card = day.card(waiting, "cancelled")
    assert day.ended(waiting)["reason"] == "cancelled"
    assert day.slack.press(day.card(first), "deplite_cancel", user="U0BOB").status == 200
    day.whispered("U0BOB", lambda text: "deplite slack link" in text)
    assert day.job(first)["status"] == "running", "who is not linked stops nothing"
    assert day.slack.press(day.card(first), "deplite_cancel").status == 200
    assert day.ended(first)["reason"] == "cancelled"
    day.card(first, "cancelled")

    known = {message.ts for message in day.slack.team.all_messages()}
    assert day.slack.press(card, "deplite_rerun").status == 200

    def again() -> list[str]:
        return [message.ts for message in day.slack.team.all_messages() if message.ts not in known]

    day.slack.wait(lambda: len(again()) == 1)
    (new,) = (message for message in day.slack.team.all_messages() if message.ts not in known)
    day.slack.wait(lambda: "succeeded" in new.said.lower(), 90)
    starts = (day.gates / "starts").read_text().split()
    assert len(set(starts)) == len(starts), "no job was started twice"
    assert waiting not in starts


def _be_told_of_runs_from_elsewhere(day: Day) -> None:
    day.trigger("nightly", notify={"slack": {"channel": "#general"}})
    day.trigger("hourly", notify={"slack": {"channel": "C0GENERAL", "when": "failure"}})
    told = day.webhook("nightly")
    day.card(told, "succeeded")
    good, bad = day.webhook("hourly"), day.webhook("hourly", code=3)
    assert day.ended(good)["status"] == "success"
    assert day.ended(bad)["exitCode"] == 3
    card = day.card(bad, "failed", "exit code 3")
    assert (card.edits, day.cards(good)) == (0, []), "a failure is told once, a success not at all"


def _remove(day: Day) -> None:
    ((name, _),) = day.in_cluster()
    secret = day.secret_of(name)
    assert [reply.status for reply in day.slack.uninstall()] == [200, 200]
    wait_for(lambda: day.in_cluster() == [], 60)
    wait_for(lambda: not day.secret_there(secret), 90)
    assert day.ask("GET", "/slack/installations") == []
    calls = len(day.slack.calls("chat.postMessage"))
    day.ended(day.webhook("nightly"))
    assert "not connected" in day.command("triggers")
    assert len(day.slack.calls("chat.postMessage")) == calls, "nothing is posted where the app is gone"


def _no_secret_was_told(day: Day) -> None:
    app = day.slack.app
    secrets = {day.slack.token(), app.client_secret, app.signing_secret}
    logs = "".join(path.read_text(errors="replace") for path in Path(day.data).rglob("*.log"))
    assert "apiserver" in logs
    said = "".join(message.said for message in day.slack.team.all_messages())
    assert [secret for secret in secrets if secret in logs or secret in said] == []


def test_a_stolen_or_repeated_callback_connects_nothing(day: Day) -> None:
    url = day.ask("GET", "/slack/install-url")["url"]
    made_up = httpx.get(f"{day.slack.app_url}/slack/oauth/callback?code=x&state=y", trust_env=False, timeout=60)
    assert made_up.json()["code"] == "invalid_state"
    back = day.slack.approve(url)
    assert httpx.get(back, trust_env=False, timeout=60).json()["teamId"] == "T0DEPLITE"
    assert httpx.get(back, trust_env=False, timeout=60).json()["code"] == "invalid_state", "a state is good once"
    assert day.slack.http.delete(
        f"{day.slack.app_url}/api/orgs/{day.environment['DEPLITE_ORG_ID']}/slack/installations/T0DEPLITE",
        headers={"Authorization": f"Bearer {day.environment['DEPLITE_JWT']}"},
    ).status_code in (200, 204)
    wait_for(lambda: day.in_cluster() == [], 60)
    assert day.slack.calls("apps.uninstall") or day.slack.calls("auth.revoke")
