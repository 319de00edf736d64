"""The one table of who may call what: route → kinds of caller, and for people the role they need.

`check_routes` runs at start: a route without an entry, or an entry without a route, is a bug that never gets to serve.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

from fastapi.routing import APIRoute
from starlette.routing import compile_path

from deplite.errors import DepliteError
from deplite_apiserver.auth.callers import Role

Kind = Literal["public", "member", "owner", "token", "agent", "enrollment", "pod", "slack"]
"""`member` and `owner` are people with a JWT; an owner may do what a member may. `enrollment` is a code, `pod` a pod of
an agent pool, `slack` Slack itself."""

_TABLE: tuple[tuple[str, str, list[Kind]], ...] = (
    ("GET", "/livez", ["public"]),
    ("GET", "/readyz", ["public"]),
    ("GET", "/openapi.json", ["public"]),
    ("GET", "/docs", ["public"]),
    ("GET", "/orgs/{org_id}/triggers", ["member"]),
    ("POST", "/orgs/{org_id}/triggers", ["owner"]),
    ("GET", "/triggers/{trigger_id}", ["member"]),
    ("PATCH", "/triggers/{trigger_id}", ["owner"]),
    ("DELETE", "/triggers/{trigger_id}", ["owner"]),
    ("POST", "/triggers/{trigger_id}/run-manual", ["member"]),
    ("POST", "/triggers/{trigger_id}/run", ["token"]),
    ("GET", "/jobs/{job_id}", ["member", "token"]),
    ("GET", "/jobs/{job_id}/logs", ["member", "token"]),
    ("POST", "/jobs/{job_id}/cancel", ["member", "token"]),
    ("POST", "/jobs/{job_id}/rerun", ["member", "token"]),
    ("GET", "/orgs/{org_id}/jobs", ["member"]),
    ("GET", "/orgs/{org_id}/api-tokens", ["member"]),
    ("POST", "/orgs/{org_id}/api-tokens", ["owner"]),
    ("POST", "/orgs/{org_id}/api-tokens/{token_id}/rotate", ["owner"]),
    ("DELETE", "/orgs/{org_id}/api-tokens/{token_id}", ["owner"]),
    ("GET", "/orgs/{org_id}/agents", ["member"]),
    ("POST", "/orgs/{org_id}/agents/enroll-tokens", ["owner"]),
    ("GET", "/orgs/{org_id}/agents/enroll-tokens", ["owner"]),
    ("DELETE", "/orgs/{org_id}/agents/enroll-tokens/{code_id}", ["owner"]),
    ("GET", "/agents/{agent_id}", ["member"]),
    ("PATCH", "/agents/{agent_id}", ["owner"]),
    ("DELETE", "/agents/{agent_id}", ["owner"]),
    ("GET", "/agents/{agent_id}/workflows", ["member"]),
    ("PATCH", "/agents/{agent_id}/workflows/{name}/rate-limit", ["owner"]),
    ("POST", "/agents/{agent_id}/workflows/refresh", ["owner"]),
    ("POST", "/orgs/{org_id}/files/presign-upload", ["member"]),
    ("POST", "/orgs/{org_id}/files/{file_id}/complete", ["member"]),
    ("GET", "/orgs/{org_id}/files/{file_id}/download-url", ["member"]),
    ("GET", "/orgs/{org_id}/files/{file_id}", ["member"]),
    ("GET", "/orgs/{org_id}/files", ["member"]),
    ("DELETE", "/orgs/{org_id}/files/{file_id}", ["member"]),
    ("POST", "/storage/files/presign-upload", ["token"]),
    ("POST", "/storage/files/{file_id}/complete", ["token"]),
    ("GET", "/storage/files/{file_id}/download-url", ["token"]),
    ("GET", "/storage/files/{file_id}", ["token"]),
    ("GET", "/storage/files", ["token"]),
    ("DELETE", "/storage/files/{file_id}", ["token"]),
    ("GET", "/token", ["token"]),
    ("GET", "/agents", ["token"]),
    ("GET", "/workflows", ["token"]),
    ("GET", "/orgs/{org_id}/slack/install-url", ["member"]),
    ("GET", "/slack/oauth/callback", ["public"]),
    ("GET", "/orgs/{org_id}/slack/installations", ["member"]),
    ("DELETE", "/orgs/{org_id}/slack/installations/{team_id}", ["owner"]),
    ("POST", "/orgs/{org_id}/slack/installations/{team_id}/link-codes", ["member"]),
    ("POST", "/slack/commands", ["slack"]),
    ("POST", "/slack/events", ["slack"]),
    ("POST", "/agent/enroll", ["enrollment", "pod"]),
    ("GET", "/agent/stream", ["agent"]),
    ("POST", "/agent/heartbeat", ["agent"]),
    ("PATCH", "/agent/identity", ["agent"]),
    ("POST", "/agent/workflows/report", ["agent"]),
    ("POST", "/agent/jobs/{job_id}/logs", ["agent"]),
    ("POST", "/agent/jobs/{job_id}/result", ["agent"]),
    ("POST", "/agent/jobs/{job_id}/files/presign-upload", ["agent"]),
    ("POST", "/agent/files/{file_id}/complete", ["agent"]),
    ("GET", "/agent/files/{file_id}/download-url", ["agent"]),
    ("GET", "/agent/files/{file_id}", ["agent"]),
    ("DELETE", "/agent/files/{file_id}", ["agent"]),
)

ACCESS: Mapping[tuple[str, str], frozenset[Kind]] = {(method, path): frozenset(kinds) for method, path, kinds in _TABLE}
_PATTERNS = tuple((method, compile_path(path)[0]) for method, path in ACCESS)


class RouteTableError(DepliteError):
    """The table and the routes differ."""


def kinds_of(method: str, path: str) -> frozenset[Kind]:
    """Return who may call a route, by its path template."""
    return ACCESS[method, path]


def methods_of(path: str) -> list[str]:
    """Return the methods that a path takes, sorted: what a 405 names in `Allow`."""
    return sorted({method for method, pattern in _PATTERNS if pattern.match(path)})


def needed_role(method: str, path: str) -> Role:
    """Return the role that a person needs for a route."""
    return "owner" if "member" not in ACCESS[method, path] else "member"


def check_routes(routes: Iterable[object]) -> None:
    """Compare the table with the routes of the app.

    Raises:
        RouteTableError: they differ.
    """
    served = set(_served(routes))
    if missing := sorted(served - ACCESS.keys()):
        raise RouteTableError(f"auth/roles.py has no entry for {missing}.")
    if stray := sorted(ACCESS.keys() - served):
        raise RouteTableError(f"auth/roles.py has entries for routes that do not exist: {stray}.")


def _served(routes: Iterable[object]) -> Iterable[tuple[str, str]]:
    for route in routes:
        if isinstance(route, APIRoute):
            yield from ((method, route.path) for method in route.methods or ())
