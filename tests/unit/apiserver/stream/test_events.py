"""The stream as bytes, driven without a server."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from deplite_apiserver.dispatch.streams import Stream, StreamEvent, Streams
from deplite_apiserver.edge.eventstream import KEEPALIVE_SECONDS
from deplite_apiserver.metrics.metrics import Metrics
from deplite_apiserver.stream.events import AgentStreamResponse

SCOPE = {"type": "http", "method": "GET", "path": "/agent/stream", "headers": []}


class Connection:
    """One request: what the response sends, until the agent hangs up."""

    def __init__(self, streams: Streams, *, keepalive: float | None = None, stuck: bool = False) -> None:
        self.streams, self.stuck = streams, stuck
        self.sent: list[dict[str, Any]] = []
        self.gone, self.moved = asyncio.Event(), asyncio.Event()
        self.response = AgentStreamResponse(streams, self._open)
        if keepalive is not None:
            self.response.ping_interval = keepalive
        if stuck:
            self.response.send_timeout = 0.01
        self.task = asyncio.create_task(self.response(SCOPE, self._receive, self._send))

    def _open(self) -> Stream:
        return self.streams.open(("org-a", "web"), "ag-x", None)

    async def _receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.sent.append(dict(message))
        self.moved.set()
        if self.stuck and message["type"] == "http.response.body":
            await asyncio.Event().wait()

    @property
    def text(self) -> str:
        return b"".join(one.get("body", b"") for one in self.sent).decode()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not holds():
                self.moved.clear()
                await self.moved.wait()

    async def ended(self) -> None:
        async with asyncio.timeout(60):
            await self.task


async def test_a_stream_begins_at_once_and_no_cache_keeps_it() -> None:
    streams = Streams(Metrics())
    connection = Connection(streams)
    await connection.until(lambda: ": connected\n" in connection.text)
    headers = {key.decode(): value.decode() for key, value in connection.sent[0]["headers"]}
    assert headers["content-type"].startswith("text/event-stream")
    assert headers["cache-control"] == "no-store"
    assert headers["x-accel-buffering"] == "no"
    assert headers["connection"] == "close"  # a stream that is moved must not come back by the same connection
    connection.gone.set()
    await connection.ended()
    assert streams.of(("org-a", "web")) is None


async def test_an_event_is_its_name_and_one_line_of_data() -> None:
    streams = Streams(Metrics())
    connection = Connection(streams)
    await connection.until(lambda: ": connected" in connection.text)
    stream = streams.of(("org-a", "web"))
    assert stream is not None
    data = {"text": "a\r\nb\u2028c", "n": 1}
    stream.send(StreamEvent(event="deploy", data=data))
    await connection.until(lambda: "deploy" in connection.text)
    [block] = [one for one in connection.text.split("\n\n") if "deploy" in one]
    name, line = block.split("\n")
    assert (name, json.loads(line.removeprefix("data: "))) == ("event: deploy", data)
    stream.close()
    await connection.ended()
    assert connection.sent[-1]["more_body"] is False


async def test_a_comment_keeps_a_quiet_stream_alive() -> None:
    connection = Connection(Streams(Metrics()), keepalive=0.01)
    await connection.until(lambda: connection.text.count(": keepalive\n") >= 3)
    connection.gone.set()
    await connection.ended()
    quiet = Connection(Streams(Metrics()))
    assert quiet.response.ping_interval == KEEPALIVE_SECONDS <= 15
    quiet.gone.set()
    await quiet.ended()


async def test_a_connection_that_takes_nothing_is_given_up_and_the_agent_is_gone() -> None:
    streams = Streams(Metrics())
    connection = Connection(streams, stuck=True)
    await connection.ended()
    assert streams.of(("org-a", "web")) is None
