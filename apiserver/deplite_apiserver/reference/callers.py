"""Who may call, in the words of OpenAPI and in plain ones; all of it follows from the table in `auth.roles`."""

from collections.abc import Set
from typing import Any

from deplite.protocol.request import AGENT_ID_HEADER, NONCE_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER
from deplite_apiserver.auth.roles import Kind


def _header(name: str, description: str) -> dict[str, str]:
    return {"type": "apiKey", "in": "header", "name": name, "description": description}


def _bearer(kind: str, description: str) -> dict[str, str]:
    return {"type": "http", "scheme": "bearer", "bearerFormat": kind, "description": description}


SCHEMES: dict[str, dict[str, str]] = {
    "person": _bearer("JWT", "A person's token, from an issuer that the installation believes."),
    "apiToken": _bearer("tk_…", "An API token; what it may do is in its grants."),
    "enrollmentCode": _bearer("enr_…", "An enrolment code, for the one call that enrols a machine."),
    "podToken": _bearer(
        "JWT", "The ServiceAccount token that a pod of an AgentPool has for the audience `deplite-agent`, to enrol it."
    ),
    "agentId": _header(AGENT_ID_HEADER, "The agent's id."),
    "agentTimestamp": _header(TIMESTAMP_HEADER, "Unix seconds, at most 300 off."),
    "agentNonce": _header(NONCE_HEADER, "16 random bytes as 32 lowercase hex characters, never used before."),
    "agentSignature": _header(
        SIGNATURE_HEADER,
        "Standard base64 of the Ed25519 signature over `TIMESTAMP\\nNONCE\\nMETHOD\\nPATH\\nHEX_SHA256(BODY)`; "
        "the path has no prefix and no query.",
    ),
    "slackTimestamp": _header("X-Slack-Request-Timestamp", "Unix seconds, at most 300 off."),
    "slackSignature": _header(
        "X-Slack-Signature",
        "`v0=` and the hex HMAC-SHA256, by the app's signing secret, over `v0:TIMESTAMP:BODY`; Slack sends it.",
    ),
}

_SIGNATURE: dict[str, list[str]] = {"agentId": [], "agentTimestamp": [], "agentNonce": [], "agentSignature": []}


def security_of(kinds: Set[Kind]) -> list[dict[str, list[Any]]]:
    """Return the security requirement of a route: any one of a list, each of which needs all its schemes."""
    found: list[dict[str, list[Any]]] = []
    if kinds & {"member", "owner"}:
        found.append({"person": []})
    if "token" in kinds:
        found.append({"apiToken": []})
    if "agent" in kinds:
        found.append(_SIGNATURE)
    if "enrollment" in kinds:
        found.append({"enrollmentCode": []})
    if "pod" in kinds:
        found.append({"podToken": []})
    if "slack" in kinds:
        found.append({"slackTimestamp": [], "slackSignature": []})
    return found


def said_of(kinds: Set[Kind]) -> str:
    """Return who may call a route, in plain words."""
    words = {
        "public": "anybody, without credentials",
        "member": "members and owners of the organization (JWT)",
        "owner": "owners of the organization (JWT)",
        "token": "API tokens",
        "agent": "agents (signature)",
        "enrollment": "enrolment codes",
        "pod": "pods of agent pools (ServiceAccount token)",
        "slack": "Slack (signature)",
    }
    return ", ".join(word for kind, word in words.items() if kind in kinds)
