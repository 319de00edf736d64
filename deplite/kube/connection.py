"""One connection pool to one Kubernetes API server: where it is, who we are, and JSON over HTTP.

Finding the server and authenticating is the official client's work; a token file is read again when it changes,
because the tokens of ServiceAccounts live for an hour.
"""

import copy
import json
import math
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import getproxies

import aiohttp
import yaml
from kubernetes.aio import config
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject, RESTResponse

from deplite.fence import Left, fence
from deplite.kube.errors import KubeError, NotHeldError, UnavailableError, error_from
from deplite.kube.gate import gate, refusals_told
from deplite.kube.observing import NO_ANSWER, Observer, asked
from deplite.patience import patience

REQUEST_SECONDS = 10.0
CONNECT_SECONDS = 3.0
POOL_SIZE = 128
MERGE_PATCH = "application/merge-patch+json"


class TokenFile:
    """A bearer token in a file, read again when the file changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = (-1, -1)
        self._token = ""

    def read(self) -> str:
        """Return the present token."""
        stat = self._path.stat()
        stamp = (stat.st_mtime_ns, stat.st_ino)
        if stamp != self._stamp:
            self._token, self._stamp = self._path.read_text().strip(), stamp
        return self._token


def token_file_of(kubeconfig: Path) -> TokenFile | None:
    """Return the `tokenFile` of the current context's user, if it has one."""
    content = yaml.safe_load(kubeconfig.read_text())
    contexts = {entry["name"]: entry["context"] for entry in content.get("contexts", ())}
    users = {entry["name"]: entry["user"] for entry in content.get("users", ())}
    user = users.get(contexts.get(content.get("current-context"), {}).get("user"), {})
    return TokenFile(kubeconfig.parent / user["tokenFile"]) if user.get("tokenFile") else None


class Connection:
    """JSON requests to one API server."""

    def __init__(
        self,
        configuration: Configuration,
        token_file: TokenFile | None = None,
        name: str = "deplite",
        observer: Observer | None = None,
    ) -> None:
        self.host: str = configuration.host.rstrip("/")
        self._configuration = configuration
        self._token_file = token_file
        self._name, self._observer = name, observer
        self._rest = RESTClientObject(configuration)
        self._left: Left | None = None
        """None: it may always write."""

    @classmethod
    async def open(
        cls, kubeconfig: Path | None = None, name: str = "deplite", observer: Observer | None = None
    ) -> "Connection":
        """Connect with a kubeconfig, else `$KUBECONFIG`, else as a pod.

        Args:
            kubeconfig: its path.
            name: who calls; `managedFields` and the cluster's audit log show it.
            observer: is told of each request; None: nobody is.

        Raises:
            KubeError: neither is there, or it cannot be read.
        """
        named = kubeconfig or (Path(os.environ["KUBECONFIG"]) if os.environ.get("KUBECONFIG") else None)
        configuration = Configuration()
        try:
            if named is None:
                config.load_incluster_config(configuration)
            else:
                await config.load_kube_config(str(named), client_configuration=configuration)
            token_file = None if named is None else token_file_of(named)
        except (config.ConfigException, OSError, yaml.YAMLError) as error:
            raise KubeError(
                f"No usable Kubernetes configuration: {error}. Set KUBECONFIG to a readable file."
            ) from error
        configuration.connection_pool_maxsize = POOL_SIZE
        # Else aiohttp looks for a .netrc and for proxies at each request, in two threads.
        configuration.client_session_kwargs = {"trust_env": bool(getproxies()), "trace_configs": [gate()]}
        return cls(configuration, token_file, name, observer)

    def fenced(self, left: Left) -> "Connection":
        """Return this connection for somebody who may write only for a time; the pool is the same.

        Args:
            left: for how many seconds from now; asked before each write, which is given up after them, and again when
                its bytes leave.
        """
        other = copy.copy(self)
        other._left = left
        return other

    async def close(self) -> None:
        """Close the pool."""
        await self._rest.close()

    def session(self) -> aiohttp.ClientSession:
        """Return a session for a library that sends its own requests: same trust, and who we are on each of them."""

        async def authorize(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
            request.headers.update(await self.headers())
            with self._observed(request.method, request.url.path, request.url.query) as seen:
                response = await send(request)
                seen(response.status)
            return response

        connector = aiohttp.TCPConnector(limit=0, ssl=self._rest.ssl_context)
        return aiohttp.ClientSession(connector=connector, middlewares=(authorize,), trust_env=bool(getproxies()))

    async def headers(self) -> dict[str, str]:
        """Return the headers that say who we are: a name, and what proves it."""
        called = {"User-Agent": self._name}
        if self._token_file is not None:
            return called | {"authorization": f"Bearer {self._token_file.read()}"}
        settings = await self._configuration.auth_settings()
        return called | {setting["key"]: setting["value"] for setting in settings.values() if setting["in"] == "header"}

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> dict[str, Any]:
        """Send one request and return the JSON answer.

        Raises:
            KubeError: as `deplite.kube.errors` says.
        """
        async with self.open_response(
            method,
            path,
            query=query,
            body=body,
            content_type=content_type,
            accept=accept,
            timeout=_request_timeout(),
        ) as response:
            try:
                answer: dict[str, Any] = json.loads(await response.read())
            except (TimeoutError, aiohttp.ClientError) as error:
                raise _silent(error) from error
            return answer

    @asynccontextmanager
    async def open_response(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout: aiohttp.ClientTimeout,
    ) -> AsyncIterator[RESTResponse]:
        """Open one answer of status 2xx, its body still unread.

        Raises:
            NotHeldError: this connection may not write any more; nothing was sent, or not once more.
            KubeError: as `deplite.kube.errors` says.
        """
        headers = {"Accept": accept, "Content-Type": content_type} | await self.headers()
        url = f"{self.host}{path}" + (f"?{urlencode(query)}" if query else "")
        left = self._left if method != "GET" else None
        if left is not None:
            timeout = _within(timeout, left())
        try:
            with self._observed(method, path, query or {}) as seen, fence(left), refusals_told():
                response = await self._rest.request(method, url, headers=headers, body=body, _request_timeout=timeout)
                seen(response.status)
        except (TimeoutError, aiohttp.ClientError) as error:
            raise _silent(error) from error
        try:
            if response.status >= 300:
                raise await _refused(response)
            yield response
        finally:
            response.response.close() if timeout.total is None else response.response.release()

    @contextmanager
    def _observed(self, method: str, path: str, query: Mapping[str, Any]) -> Iterator[Callable[[int], None]]:
        """Tell the observer of one request at its end; the block says the status, if an answer came."""
        began, codes = time.monotonic(), [NO_ANSWER]
        sent = True
        try:
            yield lambda status: codes.append(str(status))
        except NotHeldError:
            sent = False
            raise
        finally:
            if sent and self._observer is not None:
                self._observer.answered(*asked(method, path, query), codes[-1], time.monotonic() - began)


def _request_timeout() -> aiohttp.ClientTimeout:
    seconds = patience(REQUEST_SECONDS)
    return aiohttp.ClientTimeout(total=seconds, sock_connect=min(seconds, CONNECT_SECONDS))


def _within(timeout: aiohttp.ClientTimeout, seconds: float) -> aiohttp.ClientTimeout:
    """Return a time-out that ends no later: a process that is paused while it connects must not send when it wakes."""
    if seconds <= 0:
        raise NotHeldError
    total = seconds if timeout.total is None else min(seconds, timeout.total)
    return aiohttp.ClientTimeout(total=total, sock_connect=min(total, CONNECT_SECONDS), ceil_threshold=math.inf)


def _silent(error: Exception) -> UnavailableError:
    return UnavailableError(f"The Kubernetes API does not answer: {type(error).__name__} {error}".strip())


async def _refused(response: RESTResponse) -> KubeError:
    try:
        text = await response.read()
        status = json.loads(text)
    except (TimeoutError, aiohttp.ClientError) as error:
        return _silent(error)
    except ValueError:
        status = {"message": text[:200].decode(errors="replace")}
    return error_from(response.status, status, response.headers.get("Retry-After"))
