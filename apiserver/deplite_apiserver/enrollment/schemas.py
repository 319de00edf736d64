"""Bodies and answers of enrolment."""

from datetime import datetime

from pydantic import Field

from deplite.resources import EnrollmentToken
from deplite.resources.identifiers import object_id
from deplite.resources.limits import DisplayName
from deplite_apiserver.edge.body import Closed, Shape
from deplite_apiserver.lookup import agent_id_of

MAX_LIFE_SECONDS = 30 * 86_400
DEFAULT_LIFE_SECONDS = 3600


class CodeCreate(Closed):
    """POST /orgs/:orgId/agents/enroll-tokens."""

    label: DisplayName | None = None
    agent_id: str | None = Field(default=None, max_length=64)
    """The declared agent that the key shall go to."""
    uses: int = Field(default=1, ge=1, le=1000, strict=True)
    expires_in_seconds: int = Field(default=DEFAULT_LIFE_SECONDS, ge=60, le=MAX_LIFE_SECONDS, strict=True)


class CodeShape(Shape):
    """An enrolment code as REST shows it."""

    id: str
    label: str | None
    agent_id: str | None
    prefix: str | None
    uses: int
    used: int
    expires_at: datetime | None
    created_at: datetime | None


class MintedCodeShape(CodeShape):
    """A code just minted: the only answer that ever holds it."""

    token: str


class EnrollRequest(Closed):
    """POST /agent/enroll."""

    name: str = Field(min_length=1, max_length=128)
    public_key: str = Field(max_length=4096)
    hostname: str | None = Field(default=None, max_length=253)
    os: str | None = Field(default=None, max_length=128)
    agent_version: str | None = Field(default=None, max_length=64)


class EnrollShape(Shape):
    """What an enrolled agent needs to know."""

    agent_id: str
    organization_id: str
    server_public_key: str


def code_fields(code: EnrollmentToken) -> dict[str, object]:
    """Return what `CodeShape` and `MintedCodeShape` have in common."""
    return {
        "id": object_id("enr", *code.key),
        "label": code.spec.label,
        "agent_id": agent_id_of(code.namespace, code.spec.agent) if code.spec.agent else None,
        "prefix": code.status.prefix,
        "uses": code.spec.uses,
        "used": len(code.status.used_by),
        "expires_at": code.dies_at,
        "created_at": code.metadata.creation_timestamp,
    }
