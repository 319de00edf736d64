"""Which errors a route may answer, with their codes: rules over the table of callers, and what single routes add."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

from fastapi.routing import APIRoute
from pydantic import ConfigDict, Field

from deplite_apiserver.auth.roles import Kind, kinds_of
from deplite_apiserver.edge.body import Shape, absent


class ErrorShape(Shape):
    """Every error; some have further members, such as the limit that was reached."""

    model_config = ConfigDict(extra="allow")

    status_code: int = Field(ge=400, le=599, description="The HTTP status once more.")
    code: str = Field(pattern="^[a-z_]+$", description="What went wrong, for programs; never reworded.")
    message: str = Field(min_length=1, description="What went wrong, for people.")
    retry_after: int = absent("Seconds after which the same request may pass.", ge=1)


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A status and the codes that come with it."""

    status: int
    codes: tuple[str, ...]

    @property
    def example(self) -> dict[str, Any]:
        """An answer of this sort."""
        code = self.codes[0]
        shown = {"statusCode": self.status, "code": code, "message": _MESSAGES[self.status]}
        return shown | ({"retryAfter": 42} if self.status in (429, 503) else {})


_MESSAGES = {
    400: "This link is older than ten minutes. Begin again: ask Deplite for a new link to install the app.",
    401: "The credential is unknown, expired or revoked.",
    403: "This needs the role owner.",
    404: "There is no such thing here.",
    408: "The request body did not arrive in time.",
    409: "The present state does not allow it.",
    410: "This job is gone; drop it.",
    412: "The object changed since you read it; read it again.",
    413: "The request body is too large.",
    415: "Send the body without Content-Encoding.",
    422: "ref: Input should be a valid string.",
    429: "Rate limit exceeded",
    503: "The service is not available for the moment; try again.",
}

_Codes = dict[int, tuple[str, ...]]
_RUN: _Codes = {
    403: ("trigger_suspended", "agent_suspended", "trigger_type", "ref_not_allowed"),
    409: ("idempotency_conflict",),
    422: ("invalid_ref", "invalid_idempotency_key", "unknown_workflow", "agent_unavailable"),
    429: ("rate_limited", "quota_exceeded"),
}
_FULL: _Codes = {429: ("quota_exceeded",)}
_ALSO: Mapping[tuple[str, str], _Codes] = {
    ("POST", "/triggers/{trigger_id}/run"): _RUN | {403: ("token_scope", *_RUN[403])},
    ("POST", "/triggers/{trigger_id}/run-manual"): _RUN,
    ("POST", "/jobs/{job_id}/rerun"): _RUN | {403: ("token_scope", *_RUN[403]), 422: (*_RUN[422], "unknown_trigger")},
    ("POST", "/jobs/{job_id}/cancel"): {409: ("job_finished",)},
    ("GET", "/jobs/{job_id}"): {503: ("storage_unavailable",)},
    ("GET", "/jobs/{job_id}/logs"): {503: ("storage_unavailable",)},
    ("GET", "/orgs/{org_id}/jobs"): {503: ("storage_unavailable",)},
    ("PATCH", "/triggers/{trigger_id}"): {409: ("managed_in_git",), 412: ("precondition_failed",)},
    ("DELETE", "/triggers/{trigger_id}"): {409: ("managed_in_git",)},
    ("POST", "/orgs/{org_id}/triggers"): _FULL | {422: ("unknown_agent",)},
    ("POST", "/orgs/{org_id}/api-tokens"): _FULL | {422: ("unknown_trigger", "unknown_agent")},
    ("POST", "/orgs/{org_id}/api-tokens/{token_id}/rotate"): {
        409: ("managed_in_git",),
        412: ("precondition_failed",),
    },
    ("DELETE", "/orgs/{org_id}/api-tokens/{token_id}"): {409: ("managed_in_git",)},
    ("POST", "/orgs/{org_id}/agents/enroll-tokens"): _FULL | {422: ("unknown_agent", "agent_unavailable")},
    ("DELETE", "/orgs/{org_id}/agents/enroll-tokens/{code_id}"): {409: ("managed_in_git",)},
    ("PATCH", "/agents/{agent_id}"): {409: ("managed_in_git",)},
    ("PATCH", "/agents/{agent_id}/workflows/{name}/rate-limit"): {
        409: ("managed_in_git",),
        412: ("precondition_failed",),
    },
    ("GET", "/orgs/{org_id}/slack/install-url"): {409: ("slack_not_configured", "secrets_forbidden")},
    ("GET", "/slack/oauth/callback"): {
        400: ("invalid_state",),
        409: ("slack_not_configured", "slack_team_taken", "secrets_forbidden", "managed_in_git", "conflict"),
        422: ("slack_code_refused", "slack_enterprise_install"),
        429: ("quota_exceeded",),
        503: ("unavailable", "slack_unavailable"),
    },
    ("DELETE", "/orgs/{org_id}/slack/installations/{team_id}"): {409: ("managed_in_git",)},
    ("POST", "/orgs/{org_id}/slack/installations/{team_id}/link-codes"): _FULL,
    ("POST", "/slack/events"): {503: ("unavailable", "slack_unavailable")},
    ("POST", "/agent/enroll"): _FULL
    | {
        401: ("invalid_enroll_token",),
        409: ("pod_replaced", "agent_name_taken"),
        422: ("invalid_public_key", "weak_key", "agent_unavailable"),
    },
    ("PATCH", "/agent/identity"): {412: ("precondition_failed",)},
    ("POST", "/agent/workflows/report"): {412: ("precondition_failed",)},
    ("POST", "/agent/jobs/{job_id}/logs"): {
        409: ("already_claimed", "job_finished"),
        410: ("job_gone",),
        429: ("rate_limited",),
        503: ("storage_unavailable",),
    },
    ("POST", "/agent/jobs/{job_id}/result"): {
        409: ("already_claimed", "job_finished", "result_conflict"),
        410: ("job_gone",),
        422: ("output_too_large",),
    },
}
_FILES: Mapping[tuple[str, str], _Codes] = {
    ("POST", "presign-upload"): {422: ("file_too_large",), 429: ("quota_exceeded",)},
    ("POST", "complete"): {
        409: ("not_uploaded",),
        422: ("file_too_large", "upload_mismatch"),
        429: ("quota_exceeded",),
        503: ("storage_unavailable",),
    },
    ("GET", "download-url"): {409: ("not_uploaded", "file_changed"), 503: ("storage_unavailable",)},
    ("DELETE", "{file_id}"): {503: ("storage_unavailable",)},
}
"""By the last part of the path: it is the same for people, tokens and agents."""
_SIGNATURE = (
    "bad_signature_headers",
    "stale_timestamp",
    "invalid_nonce",
    "unknown_agent",
    "bad_signature",
    "nonce_replayed",
    "agent_revoked",
)


def refusals_of(method: str, route: APIRoute, *, has_body: bool) -> list[Refusal]:
    """Return the errors that a route may answer, by status."""
    kinds = kinds_of(method, route.path)
    found: dict[int, list[str]] = {}
    also = (_ALSO.get((method, route.path), {}), _of_files(method, route.path))
    for rule in (_of_callers(kinds), _of_shape(method, route, kinds, has_body), *also):
        for status, codes in rule.items():
            known = found.setdefault(status, [])
            known += [code for code in codes if code not in known]
    return [Refusal(status=status, codes=tuple(found[status])) for status in sorted(found)]


def _of_files(method: str, path: str) -> _Codes:
    if "/files" not in path:
        return {}
    found = dict(_FILES.get((method, path.rsplit("/", 1)[-1]), {}))
    if path.startswith("/storage/"):
        found[403] = ("token_scope",)
    if path.startswith("/agent/jobs/"):
        found[410] = ("job_gone",)
    return found


def _of_callers(kinds: Set[Kind]) -> _Codes:
    if "public" in kinds:
        return {}
    if "slack" in kinds:
        return {401: ("bad_slack_signature",), 422: ("validation_error",)}
    if "agent" in kinds:
        return {401: _SIGNATURE, 422: ("validation_error",), 503: ("unavailable",)}
    codes = "unauthorized", "wrong_credential"
    bearer: _Codes = {401: (*codes, "invalid_token"), 429: ("rate_limited",), 503: ("unavailable",)}
    if "enrollment" in kinds:
        return bearer | {401: codes}
    return bearer | ({403: ("forbidden",)} if "owner" in kinds else {})


def _of_shape(method: str, route: APIRoute, kinds: Set[Kind], has_body: bool) -> _Codes:
    found: _Codes = {}
    dependant = route.dependant
    writes = method != "GET" and route.path != "/agent/heartbeat"
    if dependant.path_params or (writes and "agent" in kinds):
        found[404] = ("not_found",)
    if writes:
        found[409] = ("conflict",)
        found[422] = ("validation_error",)
    if dependant.query_params:
        found[422] = ("validation_error",)
    if has_body:
        found[422] = ("invalid_json", "duplicate_key", "validation_error")
    if has_body or "agent" in kinds:  # a signature covers the body, so it is read
        found |= {408: ("request_timeout",), 413: ("too_large",), 415: ("unsupported_encoding",)}
    return found
