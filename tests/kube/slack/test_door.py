"""The two addresses that Slack calls: whatever it did not sign is refused, whatever it did is answered."""

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from deplite_apiserver.settings import Settings
from tests.kube.edge.answers import refused
from tests.kube.serving import served
from tests.kube.slack.shop import ANN, Shop
from tests.slackfake import FakeSlack, Reply

PATHS = [f"{prefix}/slack/{door}" for prefix in ("", "/api", "/v1") for door in ("commands", "events")]


async def post(shop: Shop, path: str, raw: bytes, **options: Any) -> Reply:
    options = {"timestamp": str(int(shop.clock.time()))} | options
    return await asyncio.to_thread(shop.office.slack.post, path, raw, **options)


def raw_of(shop: Shop, path: str) -> bytes:
    if path.endswith("events"):
        return json.dumps({"type": "url_verification", "challenge": "x"}).encode()
    return urlencode(shop.office.slack.command_form("run deploy main", ANN, "C0GENERAL", shop.office.team)).encode()


def assert_refused(reply: Reply, status: int, code: str) -> None:
    refused(httpx.Response(reply.status, content=reply.raw, headers=reply.headers), status, code)


async def test_what_slack_did_not_sign_is_401_and_starts_nothing(shop: Shop) -> None:
    await shop.link()
    now, slack = int(shop.clock.time()), shop.office.slack
    for path in PATHS:
        raw = raw_of(shop, path)
        wrong: dict[str, dict[str, Any]] = {
            "no timestamp": {"timestamp": "", "signature": slack.sign(str(now), raw)},
            "no signature": {"signature": ""},
            "neither": {"timestamp": "", "signature": ""},
            "old": {"timestamp": str(now - 302)},
            "future": {"timestamp": str(now + 302)},
            "another time": {"timestamp": str(now), "signature": slack.sign(str(now - 1), raw)},
            "another body": {"signature": slack.sign(str(now), raw + b" ")},
            "bad v0": {"signature": "v0=" + "0" * 64},
            "v1": {"signature": slack.sign(str(now), raw).replace("v0", "v1")},
            "no number": {"timestamp": "soon"},
        }
        for options in wrong.values():
            assert_refused(await post(shop, path, raw, **options), 401, "bad_slack_signature")
    raw = raw_of(shop, "/slack/commands")
    signature = slack.sign(str(now), raw)
    encoded = raw.replace(b"+", b"%20")
    assert encoded != raw
    assert_refused(await post(shop, "/slack/commands", encoded, signature=signature), 401, "bad_slack_signature")
    latin = "text=é".encode("latin-1")
    assert_refused(await post(shop, "/slack/commands", latin), 401, "bad_slack_signature")
    assert await shop.jobs() == []


async def test_headers_are_taken_literally_and_once(shop: Shop) -> None:
    await shop.link()
    now, slack = str(int(shop.clock.time())), shop.office.slack
    raw = raw_of(shop, "/slack/commands")
    stamp, mark, good = "X-Slack-Request-Timestamp", "X-Slack-Signature", slack.sign(now, raw)
    odd = (f"0{now}", f"+{now}", f"{now}.0", f"{now},{now}", "9" * 5000, "99999999999", "-1", "0", "1e9")
    for headers in (
        [(stamp, now), (stamp, now), (mark, good)],
        [(stamp, now), (mark, good), (mark, good)],
        [(stamp, now), (mark, f"{good},{good}")],
        [(stamp, now), (mark, good.upper())],
        [(stamp, now), (mark, f"{good}\xe9")],
        [(stamp, "".join(chr(0x660 + int(digit)) for digit in now)), (mark, good)],
        *([(stamp, text), (mark, slack.sign(text, raw))] for text in odd),
    ):
        pairs = [(name.encode(), value.encode()) for name, value in headers]
        answer = await shop.office.http.post("/slack/commands", content=raw, headers=pairs)
        refused(answer, 401, "bad_slack_signature")
    assert await shop.jobs() == []


async def test_every_prefix_leads_there(shop: Shop) -> None:
    await shop.link()
    for prefix in ("", "/api", "/v1"):
        raw = raw_of(shop, "/slack/commands")
        assert (await post(shop, f"{prefix}/slack/commands", raw)).text.startswith("Started")
        challenge = await post(shop, f"{prefix}/slack/events", raw_of(shop, "/slack/events"), kind="application/json")
        assert challenge.json == {"challenge": "x"}
    assert len(await shop.jobs()) == 3


async def test_what_is_no_request_of_slacks_is_told_so(shop: Shop) -> None:
    form = shop.office.slack.command_form("run deploy", ANN, "C0GENERAL", shop.office.team)
    for broken in (
        b"",
        b"x",
        b"{}",
        b"text=run+deploy",
        urlencode({**form, "team_id": "../x"}).encode(),
        urlencode({**form, "user_id": ""}).encode(),
        urlencode({**form, "trigger_id": "a b"}).encode(),
        urlencode([*form.items(), *((f"x{number}", "1") for number in range(200))]).encode(),
        urlencode([*form.items(), ("user_id", "U0EVE")]).encode(),
        urlencode({"payload": "{"}).encode(),
        urlencode({"payload": "[" * 80_000}).encode(),
        urlencode({"payload": '{"a":' * 20_000}).encode(),
        urlencode({"payload": '{"a":' + "9" * 10_000 + "}"}).encode(),
        urlencode({"payload": "[1]"}).encode(),
        b"text=%ff",
    ):
        assert_refused(await post(shop, "/slack/commands", broken), 422, "validation_error")
    for broken, code in (
        (b"", "validation_error"),
        (b"{", "invalid_json"),
        (b"[]", "validation_error"),
        (b'{"type":' + b"[" * 100_000, "invalid_json"),
        (b'{"type": 1}', "validation_error"),
        (b'{"type": "a", "type": "b"}', "duplicate_key"),
        (b'{"type": "url_verification"}', "validation_error"),
        (json.dumps({"type": "url_verification", "challenge": "x" * 4097}).encode(), "validation_error"),
        (b'{"type": "event_callback", "team_id": "T1", "event_id": "E1"}', "validation_error"),
        (b'{"type": "event_callback", "team_id": "T1", "event": {"type": "app_mention"}}', "validation_error"),
    ):
        assert_refused(await post(shop, "/slack/events", broken, kind="application/json"), 422, code)
    assert_refused(await post(shop, "/slack/events?x=1", b'{"type": "x"}'), 422, "validation_error")
    assert await shop.jobs() == []


async def test_bodies_have_bounds(shop: Shop) -> None:
    for path in ("/slack/commands", "/slack/events"):
        assert_refused(await post(shop, path, b"x" * (256 * 1024 + 1)), 413, "too_large")
        gzip = {"Content-Encoding": "gzip"}
        assert_refused(await post(shop, path, b"x", headers=gzip), 415, "unsupported_encoding")
        answer = await shop.office.http.get(path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_what_is_of_no_interest_is_200_and_empty(shop: Shop) -> None:
    assert (await post(shop, "/slack/commands", b"ssl_check=1&token=x")).raw == b""
    for payload in (
        {"type": "view_submission", "view": {}},
        {"type": "shortcut"},
        {"type": "message_action"},
        {"type": "block_actions", "actions": []},
        {"type": "block_actions", "actions": "x"},
        {"type": "block_actions", "actions": [{"action_id": "details", "type": "button"}, 1]},
        {"type": "block_actions", "actions": [{"action_id": "deplite_cancel", "value": ""}]},
        {},
    ):
        reply = await post(shop, "/slack/commands", urlencode({"payload": json.dumps(payload)}).encode())
        assert (reply.status, reply.raw) == (200, b"")
    for event in ({"type": "app_rate_limited"}, {"type": "whatever", "x": [1]}):
        reply = await post(shop, "/slack/events", json.dumps(event).encode(), kind="application/json")
        assert (reply.status, reply.json) == (200, {})


async def test_no_other_credential_opens_this_door(shop: Shop) -> None:
    raw = raw_of(shop, "/slack/commands")
    bearer = {"Authorization": f"Bearer {shop.office.people.token('olga')}"}
    assert_refused(await post(shop, "/slack/commands", raw, signature="", headers=bearer), 401, "bad_slack_signature")


@pytest.fixture(scope="module")
def without_slack(settings: Settings) -> Settings:
    return settings.model_copy(update={"slack": None, "listen_port": 0})


async def test_where_slack_is_off_no_signature_holds(without_slack: Settings, slack: FakeSlack) -> None:
    async with served(without_slack) as replica, httpx.AsyncClient(base_url=replica.base, trust_env=False) as http:
        for path in ("/slack/commands", "/slack/events"):
            refused(await http.post(path, content=b"{}"), 401, "bad_slack_signature")
