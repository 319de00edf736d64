"""Calls: how they are signed, what an answer means, what may be tried again, and whose clock counts."""

import asyncio
import base64
import contextlib
import json
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deplite.protocol.keys import verify
from deplite.protocol.request import RequestSigner, signing_input
from deplite_agent.errors import AwayError, RefusedError, RevokedError
from deplite_agent.transport import ENROL_AGAIN, MAX_LINE_BYTES, Transport, failure, read_lines
from tests.unit.agent.server import Call, Server, answer


@pytest.mark.parametrize("base", ["http://s", "http://s/v1", "http://s/api"])
async def test_the_signature_covers_the_path_without_the_prefix(base: str) -> None:
    seen: list[httpx.Request] = []
    key = Ed25519PrivateKey.generate()

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(204)

    client = httpx.AsyncClient(transport=httpx.MockTransport(handle))
    signer = RequestSigner(agent_id="ag-1", key=key)
    transport = Transport(base, signer, "i1", clock=lambda: 1000.9, client=client)
    assert await transport.call("POST", "/agent/x", {"ä": 1}, headers={"X-More": "1"}) == {}
    await transport.call("POST", "/agent/heartbeat", instance="i0")
    await transport.close()
    first, second = (request.headers for request in seen)
    for request, path in zip(seen, ("/agent/x", "/agent/heartbeat"), strict=True):
        message = signing_input(
            timestamp=1000, nonce=request.headers["X-Nonce"], method="POST", path=path, body=request.content
        )
        verify(key.public_key(), message, request.headers["X-Signature"])
        assert request.headers["X-Timestamp"] == "1000"
    assert seen[0].url.path.endswith("/agent/x")
    assert (first["X-Deplite-Instance"], first["X-More"], first["Content-Type"]) == ("i1", "1", "application/json")
    assert second["X-Deplite-Instance"] == "i0"
    assert "Content-Type" not in second
    assert first["X-Nonce"] != second["X-Nonce"]
    assert len(base64.b64decode(first["X-Signature"])) == 64


async def test_each_stream_has_a_connection_of_its_own() -> None:
    """Behind one address there may be several replicas; the connection of another call leads to one that is known."""
    asked: list[list[str]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(mine := [])
        while head := await reader.readuntil(b"\r\n\r\n"):
            mine.append(head.split()[1].decode())
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")  # and the connection stays

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            await serve(reader, writer)
        writer.close()

    async with await asyncio.start_server(served, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        signer = RequestSigner(agent_id="ag-1", key=Ed25519PrivateKey.generate())
        transport = Transport(f"http://127.0.0.1:{port}", signer, "i1")
        for _ in range(2):
            await transport.call("POST", "/agent/heartbeat")
            async with transport.stream() as lines:
                assert [line async for line in lines] == []
        await transport.close()
    assert sorted(asked) == [["/agent/heartbeat"] * 2, ["/agent/stream"], ["/agent/stream"]]


SAID = {"code": "some_code", "message": "Because."}
MEANINGS: list[tuple[int, dict[str, Any], type[Exception]]] = [
    *((status, SAID, RefusedError) for status in (400, 403, 404, 405, 409, 410, 413, 422)),
    *((status, SAID, AwayError) for status in (401, 408, 425, 429, 500, 502, 503, 504, 599)),
    # Not the server's own words: a proxy, a login page, somebody else's machine.
    *((status, {}, AwayError) for status in (301, 302, 400, 401, 403, 404, 410, 413, 418, 500)),
    (403, {"code": 7}, AwayError),
    (401, {"code": "bad_signature"}, AwayError),
    (401, {"code": "agent_revoked"}, RevokedError),
    (403, {"code": "agent_revoked"}, RefusedError),
]


@pytest.mark.parametrize(("status", "body", "meaning"), MEANINGS)
async def test_what_may_be_tried_again(status: int, body: dict[str, Any], meaning: type[Exception]) -> None:
    server = Server(script=lambda _: httpx.Response(status, json=body))
    with pytest.raises(meaning):
        await server.transport().call("POST", "/agent/x")
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0", 0.0), ("9999", 300.0), ("-1", 0.0), ("soon", 0.0), ("1.5", 0.0), (None, 0.0), ("9" * 30, 0.0)],
)
def test_how_long_the_server_asks_for(header: str | None, seconds: float) -> None:
    error = failure(503, {"code": "x"}, header)
    assert isinstance(error, AwayError)
    assert error.retry_after == seconds


def test_a_machine_that_the_server_does_not_know_is_told_how_to_enrol_again() -> None:
    error = failure(401, {"code": "unknown_agent", "message": "No agent of this id is enrolled."}, None)
    assert isinstance(error, AwayError)  # a server that was restored may know it again
    assert str(error) == (
        "The server answers 401 unknown_agent: No agent of this id is enrolled. "
        f"If this stays, enrol this machine again: {ENROL_AGAIN}."
    )


async def test_where_it_enrols_again_by_itself_it_says_with_what_and_of_no_code_that_a_pod_has_not() -> None:
    server = Server(script=lambda _: answer(401, "unknown_agent"))
    with pytest.raises(
        AwayError, match="It enrols again by itself: with the token of its pod's ServiceAccount, or"
    ) as said:
        await server.transport(renewed=True).call("POST", "/agent/heartbeat")
    assert ENROL_AGAIN not in str(said.value)


async def test_who_waits_for_it_hears_that_any_call_was_told_of_a_revoked_agent() -> None:
    server = Server(script=lambda call: answer(401, "agent_revoked") if call.path == "/agent/x" else None)
    transport = server.transport()
    waiting = asyncio.create_task(transport.until_revoked())
    await transport.call("POST", "/agent/heartbeat")
    await asyncio.sleep(0)
    assert not waiting.done()
    with pytest.raises(RevokedError):
        await transport.call("POST", "/agent/x")
    with pytest.raises(RevokedError):
        await waiting


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("x"), httpx.ReadTimeout("x"), OSError("x"), httpx.InvalidURL("x")]
)
async def test_no_answer_is_away_and_its_words_tell_no_address(error: Exception) -> None:
    def fail(_: Call) -> None:
        raise error

    with pytest.raises(AwayError, match=f"^The server does not answer: {type(error).__name__}.$"):
        await Server(script=fail).transport().call("POST", "/agent/x")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"\xff", b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}"])
async def test_an_answer_that_is_no_object_is_empty(body: bytes) -> None:
    server = Server(script=lambda _: httpx.Response(200, content=body))
    assert await server.transport().call("POST", "/agent/x") == {}


async def test_f33_a_wrong_clock_is_learnt_from_the_refusal_and_the_call_repeated_once() -> None:
    server = Server()
    server.script = lambda call: (
        answer(401, "stale_timestamp", serverTime=5000) if call.headers["X-Timestamp"] != "5000" else None
    )
    transport = server.transport(clock=lambda: 4400.0)
    await transport.call("POST", "/agent/x", {"a": 1})
    assert [call.headers["X-Timestamp"] for call in server.calls] == ["4400", "5000"]
    assert len({call.headers["X-Nonce"] for call in server.calls}) == 2
    assert transport.now() == 5000.0
    await transport.call("POST", "/agent/x")
    assert len(server.calls) == 3


@pytest.mark.parametrize("more", [{"serverTime": 5000}, {"serverTime": "5000"}, {}])
async def test_a_clock_that_stays_wrong_is_no_endless_loop(more: dict[str, Any]) -> None:
    server = Server(script=lambda _: answer(401, "stale_timestamp", **more))
    with pytest.raises(AwayError):
        await server.transport().call("POST", "/agent/x")
    assert len(server.calls) == (2 if more == {"serverTime": 5000} else 1)


async def test_the_stream_gives_lines_and_learns_the_clock_too() -> None:
    server = Server(script=lambda _: answer(401, "stale_timestamp", serverTime=5000))
    transport = server.transport(clock=lambda: 1.0)
    with pytest.raises(AwayError):
        async with transport.stream():
            raise AssertionError("it was refused")
    assert transport.now() == 5000.0
    server.script = lambda _: httpx.Response(200, content=b"event: ping\r\ndata: {}\n\n")
    async with transport.stream() as lines:
        assert [line async for line in lines] == ["event: ping", "data: {}", ""]
    assert server.calls[-1].headers["Accept"] == "text/event-stream"


@pytest.mark.parametrize(
    ("status", "body", "meaning"),
    [
        (409, SAID, RefusedError),
        (503, SAID, AwayError),
        (404, {}, AwayError),
        (401, {"code": "agent_revoked"}, RevokedError),
    ],
)
async def test_a_stream_that_is_refused(status: int, body: dict[str, Any], meaning: type[Exception]) -> None:
    server = Server(script=lambda _: httpx.Response(status, json=body))
    with pytest.raises(meaning):
        async with server.transport().stream():
            raise AssertionError("it was refused")


@pytest.mark.parametrize(
    ("status", "body", "meaning"),
    [
        (401, {"code": "invalid_enroll_token"}, RefusedError),
        (422, {"code": "weak_key"}, RefusedError),
        (404, {}, RefusedError),
        (302, {}, RefusedError),
        (429, {}, AwayError),
        (503, {}, AwayError),
    ],
)
async def test_an_enrolment_that_fails(status: int, body: dict[str, Any], meaning: type[Exception]) -> None:
    server = Server(script=lambda _: httpx.Response(status, json=body))
    with pytest.raises(meaning) as caught:
        await server.transport().enroll("enr_secret", {"name": "x"})
    assert "enr_secret" not in str(caught.value)
    assert server.calls[0].headers["Authorization"] == "Bearer enr_secret"


async def lines(*chunks: bytes) -> list[str]:
    async def pieces() -> Any:
        for chunk in chunks:
            yield chunk

    return [line async for line in read_lines(pieces())]


async def test_lines_end_with_a_newline_and_nothing_else_that_unicode_has() -> None:
    assert await lines(b"a\r\nb\n\xe2\x80", b"\xa8c\x0bd\x85e\n", b"\n", b"rest") == ["a", "b", "\u2028c\x0bd�e", ""]


async def test_of_a_line_without_end_only_the_beginning_is_kept() -> None:
    found = await lines(*[b"x" * 100_000] * 20, b"\nnext\n")
    assert [len(line) for line in found] == [MAX_LINE_BYTES, 4]


async def test_text_that_is_ill_formed_is_sent_as_something_that_is_not() -> None:
    server = Server()
    await server.transport().call("POST", "/agent/x", {"a": "\ud800"})
    assert json.loads(server.calls[0].raw) == {"a": "?"}
