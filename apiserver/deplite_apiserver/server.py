"""How the process listens: on an address of its own, and on one that all replicas of a machine share.

The kernel spreads new connections over all who listen on the shared address (`SO_REUSEPORT`). A replica listens there
only while it can serve: it joins once it accepts runs, and leaves at the first signal, before it does anything else.

Callers keep their connections. One that is closed while the next call is on its way costs that call, so a replica that
stops goes on answering for a while and says with each answer that this was the last one on its connection.
"""

import asyncio
import contextlib
import logging
import socket
from types import FrameType

import uvicorn
from fastapi import FastAPI

from deplite_apiserver.context import Context

_LOOK_SECONDS = 0.05
log = logging.getLogger(__name__)


def shared_socket(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address that others are bound to as well; it does not listen yet.

    Raises:
        OSError: the address is taken by somebody who does not share it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Without the protocol's name asyncio would not turn off Nagle's algorithm for the connections accepted here.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind((host, port))
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made


class Server(uvicorn.Server):
    """Closes the streams of agents at the first signal: uvicorn would wait for them until its grace is over."""

    def __init__(
        self, config: uvicorn.Config, shared: tuple[str, int] | None = None, drain_seconds: float = 0.0
    ) -> None:
        """Make the server.

        Args:
            config: the app, and the address of this replica's own.
            shared: host and port that all replicas of this machine listen on; None: there is none.
            drain_seconds: how long connections may stay open for a last call, once it is to stop.
        """
        super().__init__(config)
        self._shared, self._drain_seconds = shared, drain_seconds
        self._joining: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on the own address; on the shared one as soon as requests can be served."""
        await super().startup(sockets)
        if self._shared is not None and not self.should_exit:
            self._joining = asyncio.create_task(self._join(*self._shared))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End both."""
        if self._joining is not None:
            self._joining.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._joining
        await self._drain()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop."""
        asyncio.get_running_loop().call_soon_threadsafe(self.leave)
        super().handle_exit(sig, frame)

    @property
    def _context(self) -> Context | None:
        app = self.config.app
        context: Context | None = getattr(app.state, "context", None) if isinstance(app, FastAPI) else None
        return context

    def leave(self) -> None:
        """Take no new connection from the shared address, then let the streams go: they go to another replica."""
        for server in self.servers[1:]:
            server.close()
        if (context := self._context) is not None:
            context.desk.stop()

    async def _drain(self) -> None:
        """Have each connection closed by a last answer, as long as there is time for it."""
        self.server_state.default_headers.append((b"connection", b"close"))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._drain_seconds):
                while self.server_state.connections and not self.force_exit:  # noqa: ASYNC110 (nobody tells)
                    await asyncio.sleep(_LOOK_SECONDS)

    async def _join(self, host: str, port: int) -> None:
        bound = shared_socket(host, port)
        try:
            if (context := self._context) is not None:
                await context.desk.runs.admitting()
            listening = await asyncio.get_running_loop().create_server(
                self._protocol, sock=bound, backlog=self.config.backlog
            )
        except BaseException:
            bound.close()
            raise
        self.servers.append(listening)
        log.info("takes connections at %s:%d, too", host, port, extra={"action": "joined"})

    def _protocol(self) -> asyncio.Protocol:
        """Return one connection's protocol, as uvicorn makes it."""
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made
