"""Server-sent events as this server sends them: a comment where nothing else goes out, and dead ends are noticed."""

from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.types import Receive, Scope, Send

KEEPALIVE_SECONDS = 10
SEND_SECONDS = 20
"""A connection that takes no byte for so long is dead; its client will come back on another."""

END_SECONDS = 4
"""At the end of the process the events end by themselves; without this time the library would cut the answer first."""


class EventStream(EventSourceResponse):
    """A response that lives as long as its events."""

    def __init__(self, events: AsyncIterator[ServerSentEvent]) -> None:
        """Make the response; the iterator is closed when the connection ends."""
        super().__init__(
            events,
            ping=KEEPALIVE_SECONDS,
            ping_message_factory=lambda: ServerSentEvent(comment="keepalive", sep="\n"),
            sep="\n",
            send_timeout=SEND_SECONDS,
            shutdown_grace_period=END_SECONDS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the stream; a connection that died is no failure of ours."""
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            return
