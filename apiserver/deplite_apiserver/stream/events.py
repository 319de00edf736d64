"""One agent's stream as a response: each event goes out at once, with a comment line whenever nothing else does."""

from collections.abc import AsyncIterator, Callable

from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.types import Receive, Scope, Send

from deplite_apiserver.dispatch.streams import Stream, Streams

KEEPALIVE_SECONDS = 10
SEND_SECONDS = 20
"""A connection that takes no byte for so long is dead; its agent will come back on another."""


class AgentStreamResponse(EventSourceResponse):
    """The response that lives as long as the stream."""

    def __init__(self, streams: Streams, open_stream: Callable[[], Stream]) -> None:
        """Make the response.

        Args:
            streams: where the stream is closed in the end.
            open_stream: opens it, when the response begins.
        """
        super().__init__(
            _events(streams, open_stream),
            ping=KEEPALIVE_SECONDS,
            ping_message_factory=lambda: ServerSentEvent(comment="keepalive", sep="\n"),
            sep="\n",
            send_timeout=SEND_SECONDS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the stream; a connection that died is no failure of ours."""
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            return


async def _events(streams: Streams, open_stream: Callable[[], Stream]) -> AsyncIterator[ServerSentEvent]:
    stream = open_stream()
    try:
        yield ServerSentEvent(comment="connected", sep="\n")
        async for event in stream.events():
            yield ServerSentEvent(event=event.event, data=event.text(), sep="\n")
    finally:
        streams.close(stream)
