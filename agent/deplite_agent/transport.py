"""Signed calls to the server: the one place that knows what may be tried again and when.

A call ends in one of three ways: an answer, `RefusedError` (trying again does not help), or `AwayError` (it may).
"""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from deplite.protocol.refusal import retry_after, temporary
from deplite.protocol.request import INSTANCE_HEADER, RequestSigner
from deplite_agent import VERSION
from deplite_agent.errors import AwayError, RefusedError, RevokedError, StorageAwayError

CALL_SECONDS = 20.0
ENROL_AGAIN = "remove identity.json and key.pem from its state folder and start it with a new code"
_RENEWED = "It enrols again by itself: with the token of its pod's ServiceAccount, or a new code in DEPLITE_TOKEN_FILE"
_CLOCK_TRIES = 2
_STRANGER = frozenset({"unknown_agent", "bad_signature"})
MAX_LINE_BYTES = 512 * 1024
"""Of a longer line of the stream, only the beginning is kept; no event of ours is so long."""


class Transport:
    """Calls of one agent to one server.

    Attributes:
        disowned: set once the server says that it does not know this agent, or not by this key.
    """

    def __init__(
        self,
        base_url: str,
        signer: RequestSigner | None,
        instance: str,
        *,
        renewed: bool = False,
        silence: float = 40.0,
        clock: Callable[[], float] = time.time,
        client: httpx.AsyncClient | None = None,
    ) -> None:
        """Make a transport.

        Args:
            base_url: the server's address, with or without a prefix; the signed path never has it.
            signer: None while the agent has not enrolled.
            instance: this process; the server lets one process alone claim a job.
            renewed: whether it enrols again by itself where the server does not know it any more.
            silence: a stream that shows not even a comment for so many seconds is dead, whatever TCP says.
            clock: unix seconds.
            client: another HTTP client.
        """
        self._base = base_url
        self._signer = signer
        self._instance = instance
        self._silence = silence
        self._clock = clock
        self._skew = 0.0
        self._renewed = renewed
        self.disowned = asyncio.Event()
        self._revoked: asyncio.Queue[RevokedError] = asyncio.Queue()
        self._http, self._streams = (client, client) if client else _clients()

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()
        await self._streams.aclose()

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        instance: str | None = None,
    ) -> dict[str, Any]:
        """Send one signed call and return the JSON answer, `{}` where there is none.

        Args:
            method: upper case.
            path: without prefix.
            body: a JSON value, or None for no body.
            headers: further headers, e.g. the job's uid.
            instance: speaks for an earlier process of this agent, which claimed the job.

        Raises:
            RefusedError: a 4xx answer.
            RevokedError: the agent was revoked.
            AwayError: no answer, 429 or 5xx.
        """
        raw = b"" if body is None else json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        for left in reversed(range(_CLOCK_TRIES)):
            sent = self._headers(method, path, raw, instance) | dict(headers or {})
            try:
                answer = await self._http.request(method, self._base + path, content=raw, headers=sent)
            except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
                raise AwayError(f"The server does not answer: {type(error).__name__}.") from error
            if answer.is_success:
                return _json(answer)
            error_body = _json(answer)
            if error_body.get("code") == "stale_timestamp" and left and self._learn_skew(error_body):
                continue
            raise self._failure(answer, error_body)
        raise AssertionError("unreachable")

    async def enroll(self, code: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send the one call that is not signed; errors as `call`."""
        try:
            answer = await self._http.post(
                f"{self._base}/agent/enroll", json=dict(body), headers={"Authorization": f"Bearer {code}"}
            )
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise AwayError(f"The server does not answer: {type(error).__name__}.") from error
        if not answer.is_success:
            body = _json(answer)
            if answer.status_code >= 300 and not temporary(answer.status_code):
                message = str(body.get("message", "is DEPLITE_URL right?"))[:300]
                raise RefusedError(answer.status_code, str(body.get("code", "error")), message)
            raise failure(answer.status_code, body, answer.headers.get("Retry-After"))
        return _json(answer)

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[AsyncIterator[str]]:
        """Open the job stream; yields its lines.

        Raises:
            RefusedError: a 4xx answer.
            RevokedError: the agent was revoked.
            AwayError: no answer, 429, 5xx, or silence.
        """
        path = "/agent/stream"
        headers = self._headers("GET", path, b"", None) | {"Accept": "text/event-stream"}
        timeout = httpx.Timeout(CALL_SECONDS, connect=5.0, read=self._silence)
        try:
            async with self._streams.stream("GET", self._base + path, headers=headers, timeout=timeout) as answer:
                if not answer.is_success:
                    await answer.aread()
                    body = _json(answer)
                    self._learn_skew(body)
                    raise self._failure(answer, body)
                yield read_lines(answer.aiter_bytes())
        except (httpx.HTTPError, OSError) as error:
            raise AwayError(f"The stream ended: {type(error).__name__}.") from error

    async def until_revoked(self) -> None:
        """Raise the `RevokedError` of whichever call meets one, a job's too."""
        raise await self._revoked.get()

    def now(self) -> float:
        """Return unix seconds by the server's clock, as far as we know it."""
        return self._clock() + self._skew

    def _headers(self, method: str, path: str, raw: bytes, instance: str | None) -> dict[str, str]:
        if self._signer is None:
            raise AssertionError("an agent that has not enrolled signs nothing")
        headers = self._signer.headers(timestamp=int(self.now()), method=method, path=path, body=raw)
        headers[INSTANCE_HEADER] = instance or self._instance
        if raw:
            headers["Content-Type"] = "application/json"
        return headers

    def _failure(self, answer: httpx.Response, body: Mapping[str, Any]) -> RefusedError | AwayError | RevokedError:
        if answer.status_code == 401 and body.get("code") in _STRANGER:
            self.disowned.set()
        error = failure(answer.status_code, body, answer.headers.get("Retry-After"), renewed=self._renewed)
        if isinstance(error, RevokedError):
            self._revoked.put_nowait(error)
        return error

    def _learn_skew(self, body: Mapping[str, Any]) -> bool:
        """Take over the server's clock from a refusal of our timestamp; says whether it told us."""
        server_time = body.get("serverTime")
        if body.get("code") != "stale_timestamp" or not isinstance(server_time, int):
            return False
        self._skew = server_time - self._clock()
        return True


def _clients() -> tuple[httpx.AsyncClient, httpx.AsyncClient]:
    """Return one for calls and one for streams; the machine's authorities are read once for both."""
    context = httpx.create_ssl_context()
    calls = _client(context, httpx.Limits(max_connections=20, max_keepalive_connections=10))
    # Each stream on a connection of its own: one that was used before leads to the replica that just ended it.
    return calls, _client(context, httpx.Limits(max_connections=2, max_keepalive_connections=0))


def _client(context: ssl.SSLContext, limits: httpx.Limits) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        timeout=httpx.Timeout(CALL_SECONDS, connect=5.0),
        headers={"User-Agent": f"deplite-agent/{VERSION}"},
        verify=context,
        limits=limits,
    )


def failure(
    status: int, body: Mapping[str, Any], after: str | None, *, renewed: bool = False
) -> RefusedError | AwayError | RevokedError:
    """Return what an answer that is no success means.

    A refusal is final only where the server says so in its own words. A 404 of some proxy, a login page, or a
    signature that it cannot check for now must not cost a job its result.
    """
    code, message = body.get("code"), str(body.get("message", ""))[:300]
    if status == 401 and code == "agent_revoked":
        again = f"To enrol this machine again, {ENROL_AGAIN}; a pod of a pool enrols once its Agent object is deleted."
        return RevokedError(f"The server says that this agent was revoked. {again}")
    if status == 429 and code == "quota_exceeded":
        return RefusedError(status, code, message)  # room that is used up does not come back by waiting a little
    if temporary(status) or status == 401 or not isinstance(code, str):
        said = f"{status} {code}: {message}" if isinstance(code, str) else str(status)
        if code == "unknown_agent":
            again = _RENEWED if renewed else f"If this stays, enrol this machine again: {ENROL_AGAIN}"
            said = f"{said.removesuffix('.')}. {again}"
        away = StorageAwayError if code == "storage_unavailable" else AwayError
        return away(f"The server answers {said.removesuffix('.')}.", retry_after(after))
    return RefusedError(status, code, message)


async def read_lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    r"""Yield the lines of an event stream: they end with `\n` or `\r\n`, and with nothing else that Unicode has."""
    rest = bytearray()
    async for chunk in chunks:
        *whole, tail = chunk.split(b"\n")
        for line in whole:
            _put(rest, line)
            yield rest.removesuffix(b"\r").decode("utf-8", "replace")
            rest.clear()
        _put(rest, tail)


def _put(line: bytearray, more: bytes) -> None:
    line += more[: MAX_LINE_BYTES - len(line)]


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        value = answer.json()
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
