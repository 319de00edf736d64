"""One agent's stream as a response: each event goes out at once."""

from collections.abc import AsyncGenerator, Callable

from sse_starlette import ServerSentEvent

from deplite_apiserver.dispatch.streams import Stream, Streams
from deplite_apiserver.edge.eventstream import EventStream


class AgentStreamResponse(EventStream):
    """The response that lives as long as the stream."""

    def __init__(self, streams: Streams, open_stream: Callable[[], Stream]) -> None:
        """Make the response.

        Args:
            streams: where the stream is closed in the end.
            open_stream: opens it, when the response begins.
        """
        super().__init__(_events(streams, open_stream))
        # A connection that was used again would lead a stream that was closed here, to be moved, back to here.
        self.headers["Connection"] = "close"


async def _events(streams: Streams, open_stream: Callable[[], Stream]) -> AsyncGenerator[ServerSentEvent, None]:
    stream = open_stream()
    try:
        yield ServerSentEvent(comment="connected", sep="\n")
        async for event in stream.events():
            yield ServerSentEvent(event=event.event, data=event.text(), sep="\n")
    finally:
        streams.close(stream)
