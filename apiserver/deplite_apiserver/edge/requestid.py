"""One id for each request, in the answer and in every log line; and the headers that every answer carries."""

import logging
import re
import secrets
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deplite.log import request_id
from deplite_apiserver.edge.body import printable
from deplite_apiserver.edge.failures import unexpected

log = logging.getLogger("deplite_apiserver.access")
failures = logging.getLogger("deplite_apiserver.failures")

HEADER = "X-Request-Id"
_USABLE = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestIdMiddleware:
    """Takes over a usable id of the caller's, or makes one; logs one line a request, without query or credentials."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        found = given if _USABLE.fullmatch(given) else secrets.token_hex(8)
        token, began, status = request_id.set(found), time.monotonic(), 0
        path = printable(scope["path"])  # decoded, it may hold line ends that would forge a line of the log

        async def tell(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[HEADER] = found
                headers["X-Content-Type-Options"] = "nosniff"
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self._app(scope, receive, tell)
        except Exception:
            about = {"action": "request_failed", **_job(scope)}
            failures.exception("%s %s failed", scope["method"], path, extra=about)
            if status:
                raise  # half an answer is out: only breaking the connection tells
            await unexpected(scope)(scope, receive, tell)
        finally:
            extra = {
                "action": "request",
                **_job(scope),
                "method": scope["method"],
                "path": path,
                "status": status,
                "milliseconds": round((time.monotonic() - began) * 1000, 1),
            }
            log.info("%s %s %s", scope["method"], path, status, extra=extra)
            request_id.reset(token)


def _job(scope: Scope) -> dict[str, str]:
    """Return the job that the route names, if it names one."""
    named = scope.get("path_params", {}).get("job_id")
    return {} if named is None else {"jobId": printable(named)}
