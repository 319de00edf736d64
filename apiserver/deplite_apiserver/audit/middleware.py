"""Hands a record to the trail once a request that may change something has its answer."""

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deplite.log import request_id
from deplite_apiserver.audit.acts import ACTS, READING, Act
from deplite_apiserver.audit.entry import entry_in
from deplite_apiserver.audit.record import NOWHERE, AuditRecord, action_of, outcome_of
from deplite_apiserver.context import Context
from deplite_apiserver.edge.source import client_address

_CHANGING_READS = frozenset(path for method, path in ACTS if method in READING)
"""Paths, which have no parts to fill in."""


class AuditMiddleware:
    """The innermost layer: the path is bare already, and the route is known when the app returns."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or (scope["method"] in READING and scope["path"] not in _CHANGING_READS):
            await self._app(scope, receive, send)
            return
        context: Context = scope["app"].state.context
        began, status = context.clock.now(), 0

        async def listen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, listen)
        except Exception:  # which is answered outside of here
            status = status or 500
            raise
        finally:
            if (act := _act(scope)) is not None and (outcome := outcome_of(act, entry_in(scope), status)) is not None:
                entry = entry_in(scope)
                context.trail.keep(
                    AuditRecord(
                        time=began,
                        organization=entry.organization or NOWHERE,
                        action=action_of(act, entry),
                        object_kind=act.object_kind,
                        object_id=entry.object_id or _named(scope, act),
                        who=entry.who or {},
                        source=client_address(Request(scope)),
                        request_id=request_id.get(),
                        outcome=outcome,
                        status=status,
                        code=entry.code,
                        detail=entry.detail,
                    )
                )


def _act(scope: Scope) -> Act | None:
    if (act := entry_in(scope).act) is not None:
        return act
    route = scope.get("route")
    return ACTS.get((scope["method"], route.path)) if route is not None else None


def _named(scope: Scope, act: Act) -> str | None:
    return str(scope["path_params"][act.named_by]) if act.named_by is not None else None
