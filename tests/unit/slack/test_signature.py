"""Slack's signature: the time, the form of the headers, and every byte of the body."""

import hashlib
import hmac
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from deplite_apiserver.errors import SlackSignatureError
from deplite_apiserver.slack.signature import verify

SECRET, NOW = "8f742231b10e8888abcd99yyyzzz85a5", 1_800_000_000
BODY = b"token=x&text=run%20deploy&user_name=mika"


def signed(body: bytes, timestamp: str, secret: str = SECRET) -> str:
    return "v0=" + hmac.new(secret.encode(), b"v0:" + timestamp.encode() + b":" + body, hashlib.sha256).hexdigest()


def headers(timestamp: str, signature: str) -> Headers:
    return Headers({"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": signature})


def good(body: bytes = BODY, timestamp: str = str(NOW), sent: bytes | None = None, now: float = NOW) -> bool:
    try:
        verify(headers(timestamp, signed(body, timestamp)), body if sent is None else sent, secret=SECRET, now=now)
    except SlackSignatureError:
        return False
    return True


def test_what_slack_signed_passes() -> None:
    assert good()
    assert good(b"")
    assert good("text=grüße".encode())


@pytest.mark.parametrize(("now", "passes"), [(-301, False), (-300, True), (0, True), (300, True), (300.5, False)])
def test_it_passes_within_three_hundred_seconds(now: float, passes: bool) -> None:
    assert good(now=NOW + now) is passes


@given(st.binary(max_size=64).filter(lambda sent: sent != BODY))
def test_no_other_body_passes(sent: bytes) -> None:
    assert not good(sent=sent)


def test_the_same_form_encoded_otherwise_does_not_pass() -> None:
    assert not good(sent=BODY.replace(b"%20", b"+"))


@given(st.binary(max_size=64))
def test_whatever_bytes_are_signed_there_is_an_answer(body: bytes) -> None:
    try:
        body.decode()
    except UnicodeDecodeError:
        assert not good(body)
    else:
        assert good(body)


TIMES = ["", "-1", "+1800000000", " 1800000000", "1_800_000_000", "1.8e9", "1800000000.0", "1800000000 ", "9" * 5000]
CHANGES: list[Callable[[str], str]] = [
    str.upper,
    lambda text: text[3:],
    lambda text: text + "0",
    lambda text: "v1" + text[2:],
    lambda _: "",
    lambda _: "v0=é" + "0" * 63,
]


@pytest.mark.parametrize("timestamp", [*TIMES, "\N{ARABIC-INDIC DIGIT ONE}"])
def test_a_time_is_plain_digits(timestamp: str) -> None:
    found = Headers(
        raw=[
            (b"x-slack-request-timestamp", timestamp.encode()),
            (b"x-slack-signature", signed(BODY, timestamp).encode()),
        ]
    )
    with pytest.raises(SlackSignatureError):
        verify(found, BODY, secret=SECRET, now=NOW)


@pytest.mark.parametrize("change", CHANGES)
def test_a_signature_has_one_form(change: Callable[[str], str]) -> None:
    found = Headers(
        raw=[
            (b"x-slack-request-timestamp", str(NOW).encode()),
            (b"x-slack-signature", change(signed(BODY, str(NOW))).encode()),
        ]
    )
    with pytest.raises(SlackSignatureError):
        verify(found, BODY, secret=SECRET, now=NOW)


@pytest.mark.parametrize("missing", ["x-slack-request-timestamp", "x-slack-signature"])
@pytest.mark.parametrize("times", [0, 2])
def test_each_header_is_there_once(missing: str, times: int) -> None:
    raw = headers(str(NOW), signed(BODY, str(NOW))).raw
    changed = [one for one in raw for _ in range(times if one[0].decode() == missing else 1)]
    with pytest.raises(SlackSignatureError):
        verify(Headers(raw=changed), BODY, secret=SECRET, now=NOW)


def test_another_apps_secret_does_not_pass() -> None:
    with pytest.raises(SlackSignatureError):
        verify(headers(str(NOW), signed(BODY, str(NOW), "another")), BODY, secret=SECRET, now=NOW)
