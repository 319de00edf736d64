"""What the fake sends to the app: signed as Slack signs, in the forms that Slack has."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from slack_sdk.signature import SignatureVerifier

from tests.slackfake import FakeSlack, Message, serving

ACTIONS = {
    "type": "actions",
    "block_id": "b7",
    "elements": [
        {"type": "button", "action_id": "stop", "value": "job_1", "text": {"type": "plain_text", "text": "Cancel"}}
    ],
}


class _App(BaseHTTPRequestHandler):
    heard: list[tuple[str, dict[str, str], bytes]]
    answer: bytes

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.heard.append((self.path, dict(self.headers), body))
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.answer)))
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def app(answer: Any) -> Iterator[tuple[str, list[tuple[str, dict[str, str], bytes]]]]:
    heard: list[tuple[str, dict[str, str], bytes]] = []
    raw = json.dumps(answer).encode() if answer else b""
    server = HTTPServer(("127.0.0.1", 0), type("Bound", (_App,), {"heard": heard, "answer": raw}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def slack() -> Iterator[FakeSlack]:
    with serving() as fake:
        yield fake


def posted(slack: FakeSlack) -> Message:
    message = Message(channel="C0GENERAL", ts="1.000001", text="web", blocks=[ACTIONS])
    slack.team.channel("C0GENERAL").posted.append(message)
    return message


def respond(url: str, body: dict[str, Any]) -> httpx.Response:
    return httpx.post(url, json=body, trust_env=False)


def test_a_command_is_signed_and_its_answer_is_seen_by_one_person(slack: FakeSlack) -> None:
    with app({"text": "it runs"}) as (slack.app_url, heard):
        reply = slack.command("run web a<b&c", user="U0BOB")
    ((path, headers, body),) = heard
    assert path == "/slack/commands"
    verifier = SignatureVerifier(slack.app.signing_secret)
    assert verifier.is_valid_request(body, {name.lower(): value for name, value in headers.items()})
    form = parse_qs(body.decode())
    assert form["text"] == ["run web a&lt;b&amp;c"]
    assert (form["user_name"], form["channel_name"], form["team_id"]) == (["bob"], ["general"], ["T0DEPLITE"])
    assert reply.text == "it runs"
    assert [(seen.text, seen.how) for seen in slack.team.whispered("U0BOB")] == [("it runs", "command")]


def test_a_wrong_signature_on_request(slack: FakeSlack) -> None:
    with app(None) as (slack.app_url, heard):
        slack.command("help", signature="v0=00")
        slack.command("help", signature="", timestamp="")
    assert heard[0][1]["X-Slack-Signature"] == "v0=00"
    assert "X-Slack-Signature" not in heard[1][1]


def test_a_press_carries_the_button_and_its_answer_is_shown_to_nobody(slack: FakeSlack) -> None:
    with app({"text": "not shown"}) as (slack.app_url, heard):
        slack.press(posted(slack), "stop")
    payload = json.loads(parse_qs(heard[0][2].decode())["payload"][0])
    assert payload["type"] == "block_actions"
    assert (payload["actions"][0]["value"], payload["actions"][0]["block_id"]) == ("job_1", "b7")
    assert payload["container"]["message_ts"] == "1.000001"
    assert slack.team.whispers == []
    assert respond(payload["response_url"], {"text": "stopped", "replace_original": False}).text == "ok"
    assert [seen.text for seen in slack.team.whispered("U0ANN")] == ["stopped"]
    assert respond(payload["response_url"], {"text": "other"}).text == "ok"
    assert [message.text for message in slack.team.messages("C0GENERAL")] == ["other"]


def test_a_response_url_serves_five_times(slack: FakeSlack) -> None:
    url = slack.hook(slack.team, "U0ANN", "C0GENERAL")
    assert respond(url, {}).status_code == 400
    codes = [respond(url, {"text": "x"}).status_code for _ in range(6)]
    assert codes == [200, 200, 200, 200, 404, 404]
    assert respond(f"{slack.url}/hooks/T0/none", {"text": "x"}).text == "expired_url"


def test_events_and_their_repeats(slack: FakeSlack) -> None:
    with app({"challenge": "3eZbrw1aB"}) as (slack.app_url, heard):
        assert slack.verify_url().json == {"challenge": "3eZbrw1aB"}
        slack.mention("status")
        slack.again()
        slack.uninstall()
    bodies = [json.loads(body) for _, _, body in heard]
    assert bodies[1]["event"]["text"] == "<@UBOT0DEPLITE> status"
    assert bodies[2] == bodies[1]
    assert heard[2][1]["X-Slack-Retry-Num"] == "1"
    assert [body["event"]["type"] for body in bodies[3:]] == ["app_uninstalled", "tokens_revoked"]
