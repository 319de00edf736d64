"""What each route that may change something is called in the audit record.

`check_acts` runs at start: a route that takes POST, PATCH, PUT or DELETE and is not here never gets to serve. One GET
is here: to it Slack sends a person's browser back.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from deplite_apiserver.auth.roles import ACCESS, RouteTableError

READING = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, kw_only=True)
class Act:
    """One kind of change."""

    action: str
    """`<kind>.<what happened to it>`; never reworded after a release."""
    object_kind: str
    named_by: str | None = None
    """The part of the path that is the object's id; None: the endpoint says it."""
    refusals: bool = False
    """Whether a refusal is recorded as well."""
    refused: str | None = None
    """The action of a refusal that changed something; None: no refusal ever does."""


def _act(
    action: str, object_kind: str, named_by: str | None = None, *, refusals: bool = False, refused: str | None = None
) -> Act:
    return Act(action=action, object_kind=object_kind, named_by=named_by, refusals=refusals, refused=refused)


def _stored() -> Act:
    return _act("file.stored", "StoredFile", "file_id", refused="file.refused")


ACTS: Mapping[tuple[str, str], Act | None] = {
    ("POST", "/orgs/{org_id}/triggers"): _act("trigger.created", "Trigger"),
    ("PATCH", "/triggers/{trigger_id}"): _act("trigger.changed", "Trigger", "trigger_id"),
    ("DELETE", "/triggers/{trigger_id}"): _act("trigger.deleted", "Trigger", "trigger_id"),
    ("POST", "/triggers/{trigger_id}/run-manual"): _act("job.created", "DeployJob"),
    ("POST", "/triggers/{trigger_id}/run"): _act("job.created", "DeployJob"),
    ("POST", "/jobs/{job_id}/cancel"): _act("job.cancel_asked", "DeployJob", "job_id"),
    ("POST", "/jobs/{job_id}/rerun"): _act("job.created", "DeployJob"),
    ("POST", "/orgs/{org_id}/api-tokens"): _act("token.issued", "ApiToken"),
    ("POST", "/orgs/{org_id}/api-tokens/{token_id}/rotate"): _act("token.rotated", "ApiToken", "token_id"),
    ("DELETE", "/orgs/{org_id}/api-tokens/{token_id}"): _act("token.revoked", "ApiToken", "token_id"),
    ("POST", "/orgs/{org_id}/agents/enroll-tokens"): _act("code.minted", "EnrollmentToken"),
    ("DELETE", "/orgs/{org_id}/agents/enroll-tokens/{code_id}"): _act("code.revoked", "EnrollmentToken", "code_id"),
    ("PATCH", "/agents/{agent_id}"): _act("agent.changed", "Agent", "agent_id"),
    ("DELETE", "/agents/{agent_id}"): _act("agent.revoked", "Agent", "agent_id"),
    ("PATCH", "/agents/{agent_id}/workflows/{name}/rate-limit"): _act("workflow.limited", "Agent", "agent_id"),
    ("POST", "/agents/{agent_id}/workflows/refresh"): _act("workflow.refresh_asked", "Agent", "agent_id"),
    ("POST", "/orgs/{org_id}/files/presign-upload"): _act("file.announced", "StoredFile"),
    ("POST", "/orgs/{org_id}/files/{file_id}/complete"): _stored(),
    ("DELETE", "/orgs/{org_id}/files/{file_id}"): _act("file.deleted", "StoredFile", "file_id"),
    ("POST", "/storage/files/presign-upload"): _act("file.announced", "StoredFile"),
    ("POST", "/storage/files/{file_id}/complete"): _stored(),
    ("DELETE", "/storage/files/{file_id}"): _act("file.deleted", "StoredFile", "file_id"),
    ("GET", "/slack/oauth/callback"): _act("slack.connected", "SlackInstallation"),
    ("DELETE", "/orgs/{org_id}/slack/installations/{team_id}"): _act(
        "slack.disconnected", "SlackInstallation", "team_id"
    ),
    ("POST", "/agent/enroll"): _act("agent.enrolled", "Agent", refusals=True),
    ("PATCH", "/agent/identity"): _act("agent.identity_reported", "Agent"),
    ("POST", "/agent/workflows/report"): _act("agent.workflows_reported", "Agent"),
    ("POST", "/agent/jobs/{job_id}/result"): _act("job.reported", "DeployJob", "job_id"),
    ("POST", "/agent/jobs/{job_id}/files/presign-upload"): _act("file.announced", "StoredFile"),
    ("POST", "/agent/files/{file_id}/complete"): _stored(),
    ("DELETE", "/agent/files/{file_id}"): _act("file.deleted", "StoredFile", "file_id"),
    ("POST", "/orgs/{org_id}/slack/installations/{team_id}/link-codes"): _act(
        "slack.code_minted", "SlackInstallation", "team_id"
    ),
    # What these are, their content tells: `OF_SLACK`.
    ("POST", "/slack/commands"): None,
    ("POST", "/slack/events"): None,
    # A sign of life changes nothing that is kept, and lines of log are themselves a record.
    ("POST", "/agent/heartbeat"): None,
    ("POST", "/agent/jobs/{job_id}/logs"): None,
}


OF_SLACK: Mapping[str, Act] = {
    "run": _act("job.created", "DeployJob"),
    "rerun": _act("job.created", "DeployJob"),
    "cancel": _act("job.cancel_asked", "DeployJob"),
    "link": _act("slack.linked", "SlackInstallation"),
    "unlink": _act("slack.unlinked", "SlackInstallation"),
    "uninstalled": _act("slack.uninstalled", "SlackInstallation"),
}
"""What a command, a button or an event of Slack turns out to be; the routes themselves do not tell."""


def check_acts(routes: Iterable[tuple[str, str]] = ACCESS) -> None:
    """Compare the table with that of who may call what.

    Args:
        routes: the methods and path templates of that table.

    Raises:
        RouteTableError: they name other routes that change something.
    """
    served = set(routes)
    if missing := sorted({route for route in served if route[0] not in READING} - ACTS.keys()):
        raise RouteTableError(f"audit/acts.py has no entry for {missing}.")
    if stray := sorted(ACTS.keys() - served):
        raise RouteTableError(f"audit/acts.py has entries for routes that do not exist: {stray}.")
