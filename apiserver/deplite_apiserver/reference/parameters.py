"""Parameters that the endpoints do not declare, because a wrong one is no 422 there: ids in paths, and headers."""

from collections.abc import Mapping, Sequence, Set
from typing import Any

from deplite.protocol.request import FINISHED_AGO_HEADER, INSTANCE_HEADER, JOB_UID_HEADER
from deplite_apiserver.auth.roles import Kind

Json = dict[str, Any]


def _id(prefix: str, length: int, what: str) -> Json:
    return {
        "description": f"The id of {what}.",
        "schema": {"type": "string", "pattern": f"^{prefix}-[a-z2-7]{{{length}}}$"},
        "example": f"{prefix}-" + "k7q2m5xw4tnd6abcl3zrv2yhpe"[:length],
    }


_PATH: Mapping[str, Json] = {
    "org_id": {
        "description": "The organization.",
        "schema": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"},
        "example": "org-acme",
    },
    "trigger_id": _id("tr", 16, "a trigger"),
    "agent_id": _id("ag", 16, "an agent"),
    "token_id": _id("tok", 16, "an API token"),
    "code_id": _id("enr", 16, "an enrolment code"),
    "job_id": _id("j", 26, "a job"),
    "file_id": _id("f", 16, "a file"),
    "team_id": {
        "description": "The id of a Slack workspace.",
        "schema": {"type": "string", "pattern": "^T[A-Z0-9]{1,20}$"},
        "example": "T024BE7LD",
    },
    "name": {
        "description": "The name of a workflow.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"},
        "example": "deploy-prod",
    },
}


def _header(name: str, description: str, schema: Json, example: str) -> Json:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": {"type": "string"} | schema,
        "example": example,
    }


_KEY = _header(
    "Idempotency-Key",
    "A repeat with the same key and body within 48 hours gets the same job.",
    {"pattern": "^[!-~]{1,255}$"},
    "5f0c9a1e-release-42",
)
_JOB_UID = _header(JOB_UID_HEADER, "The `job_uid` of the deploy event; another job under the id: 410.", {}, "0b6a4c1d")
_HEADERS: Mapping[tuple[str, str], tuple[Json, ...]] = {
    ("POST", "/triggers/{trigger_id}/run"): (_KEY,),
    ("POST", "/triggers/{trigger_id}/run-manual"): (_KEY,),
    ("POST", "/jobs/{job_id}/rerun"): (_KEY,),
    ("GET", "/jobs/{job_id}/logs"): (
        _header("Last-Event-ID", "Where a stream that was cut off goes on; anything else is ignored.", {}, "41"),
    ),
    ("POST", "/agent/jobs/{job_id}/logs"): (_JOB_UID,),
    ("POST", "/agent/jobs/{job_id}/files/presign-upload"): (_JOB_UID,),
    ("POST", "/agent/jobs/{job_id}/result"): (
        _JOB_UID,
        _header(
            FINISHED_AGO_HEADER,
            "How many seconds ago the job ended.",
            {"pattern": r"^[0-9]{1,9}(\.[0-9]{1,6})?$"},
            "12.5",
        ),
    ),
}
_INSTANCE = _header(
    INSTANCE_HEADER, "The agent's process, new at each start.", {"pattern": "^[A-Za-z0-9._-]{1,64}$"}, "i-5c81"
)


def complete(method: str, path: str, declared: Sequence[Json], kinds: Set[Kind]) -> list[Json]:
    """Return all parameters of a route: those that its endpoint declares, made exact, and those of these tables."""
    found = [_exact(one) for one in declared]
    found += _HEADERS.get((method, path), ())
    return [*found, _INSTANCE] if "agent" in kinds else found


def _exact(declared: Json) -> Json:
    if declared["in"] == "path":
        return {"name": declared["name"], "in": "path", "required": True} | _PATH[declared["name"]]
    schema = {name: value for name, value in declared["schema"].items() if name not in ("title", "description")}
    # Absent is what null means here: neither a query nor a header can say null.
    present = [one for one in schema.pop("anyOf", ()) if one != {"type": "null"}]
    schema |= present[0] if present else {}
    return declared | {"schema": schema}
