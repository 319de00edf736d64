"""An HTTP proxy that misbehaves on demand, in front of S3 and of the Kubernetes API: it sees requests, not bytes."""

import asyncio
import contextlib
import io
import re
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import yarl
from aiohttp import web

from tests.ports import kept

_LONGEST_EVENT = 1 << 21
"""Bytes: etcd takes objects up to 1.5 MiB."""
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "upgrade", "te", "trailer"}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a server said, or what we say in its place."""

    status: int
    body: bytes
    headers: Mapping[str, str]


@dataclass(kw_only=True, eq=False)
class Exchange:
    """One request on its way."""

    proxy: "HttpProxy"
    request: web.Request
    body: bytes
    query: Mapping[str, str]
    """Where a fault changes it, the changed one is sent on."""

    @property
    def method(self) -> str:
        return self.request.method

    @property
    def path(self) -> str:
        return self.request.path

    @property
    def watches(self) -> bool:
        """Whether it is a watch of the Kubernetes API."""
        return self.query.get("watch") in ("1", "true")

    @property
    def writes(self) -> bool:
        """Whether it changes something at the Kubernetes API; who leads and what one may do does not count."""
        return self.method != "GET" and not re.search("/leases|/selfsubjectaccessreviews$", self.path)

    async def ask(self) -> Answer:
        """Send the request on, and return the whole answer."""
        async with self._sent() as answer:
            return Answer(status=answer.status, body=await answer.read(), headers=_end_to_end(answer.headers))

    async def say(self, answer: Answer) -> web.StreamResponse:
        """Answer the client."""
        return web.Response(status=answer.status, body=answer.body, headers=dict(answer.headers))

    async def say_half(self, answer: Answer) -> web.StreamResponse:
        """Promise the whole answer, and break off in the middle."""
        headers = dict(answer.headers) | {"Content-Length": str(len(answer.body))}
        response = web.StreamResponse(status=answer.status, headers=headers)
        await response.prepare(self.request)
        await response.write(answer.body[: len(answer.body) // 2])
        self.cut()
        return response

    def cut(self) -> web.StreamResponse:
        """Break the connection, without an answer."""
        if self.request.transport is not None:
            self.request.transport.abort()
        return web.Response()

    async def stream(self) -> web.StreamResponse:
        """Pass the answer on as it comes; a watch that is muted stays open and says nothing more."""
        async with self._sent() as answer:
            response = web.StreamResponse(status=answer.status, headers=_end_to_end(answer.headers))
            if (length := answer.headers.get("Content-Length")) is not None:
                response.content_length = int(length)
            await response.prepare(self.request)
            if self.watches:
                await self._pass_news(answer.content, response)
            else:
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
            return response

    async def _pass_news(self, news: aiohttp.StreamReader, response: web.StreamResponse) -> None:
        muted = self.proxy.open_watch(self)
        async for line in news:
            if muted.is_set():
                await asyncio.Event().wait()
            if not self.proxy.unheard(line):
                await response.write(line)

    def _sent(self) -> Any:
        url = yarl.URL(self.proxy.target + self.request.raw_path.partition("?")[0], encoded=True)
        if self.query == dict(self.request.query):  # as it was spelled: it may be signed
            url = yarl.URL(self.proxy.target + self.request.raw_path, encoded=True)
        else:
            url = url.with_query(dict(self.query))
        headers = {name: value for name, value in self.request.headers.items() if name.lower() not in _HOP}
        large = len(self.body) > 1 << 20  # aiohttp warns of it
        body = io.BytesIO(self.body) if large else self.body
        return self.proxy.session.request(self.method, url, data=body or None, headers=headers, allow_redirects=False)


Fault = Callable[[Exchange], Awaitable[web.StreamResponse | None]]
"""Answers a request in its own way; None leaves it alone."""


class HttpProxy:
    """Listens on a loopback port and passes every request to a server, but for what a fault does to it."""

    def __init__(self, target: str, tls: ssl.SSLContext | None = None) -> None:
        """Make a proxy; `start` opens it.

        Args:
            target: `http(s)://host:port`.
            tls: whom to believe, where the target is https.
        """
        self.target = target
        self.fault: Fault | None = None
        self.unheard: Callable[[bytes], bool] = lambda _: False
        """Which events of watches, as lines of JSON, get lost on the way."""
        self.asked: Counter[str] = Counter()
        """How many requests of each method came; watches count as WATCH."""
        self.port = 0
        self._keeping: socket.socket | None = None
        self._tls = tls
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._watches: list[tuple[Exchange, asyncio.Event]] = []
        self.session: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Begin to serve."""
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._tls if self._tls is not None else True),
            auto_decompress=False,
            read_bufsize=_LONGEST_EVENT,
            timeout=aiohttp.ClientTimeout(total=None),
            skip_auto_headers=("User-Agent", "Content-Type", "Accept", "Accept-Encoding"),
        )
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        await self.accept()

    async def stop(self) -> None:
        """End everything."""
        if self._runner is not None:
            await self._runner.cleanup()
        if self._keeping is not None:
            self._keeping.close()
        await self.session.close()

    async def accept(self) -> None:
        """Take connections, on the same port as before."""
        assert self._runner is not None
        if self.port == 0:
            self._keeping = kept()
            self.port = self._keeping.getsockname()[1]
        self._site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await self._site.start()

    async def refuse(self) -> None:
        """Take no new connection, and break those that are there."""
        assert self._site is not None
        await self._site.stop()
        assert self._runner is not None
        assert self._runner.server is not None
        for connection in list(self._runner.server.connections):
            if connection.transport is not None:
                connection.transport.abort()

    def heal(self) -> None:
        """End every fault; watches that were muted stay so."""
        self.fault, self.unheard = None, lambda _: False

    def open_watch(self, exchange: Exchange) -> asyncio.Event:
        """Note a watch that begins; set: it says nothing more."""
        muted = asyncio.Event()
        self._watches.append((exchange, muted))
        return muted

    def mute_watches(self) -> None:
        """Let the watches that are open say nothing more, and stay open."""
        for _, muted in self._watches:
            muted.set()

    def cut_watches(self) -> None:
        """Break every watch that is open."""
        watches, self._watches = self._watches, []
        for exchange, _ in watches:
            exchange.cut()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        exchange = Exchange(proxy=self, request=request, body=await request.read(), query=dict(request.query))
        self.asked["WATCH" if exchange.watches else exchange.method] += 1
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):
            if self.fault is not None and (answer := await self.fault(exchange)) is not None:
                return answer
            return await exchange.stream()
        return exchange.cut()


def _end_to_end(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _HOP}
