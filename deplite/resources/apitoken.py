"""ApiToken: a scoped, rate-limited credential for machines."""

from typing import ClassVar, Literal

from pydantic import Field

from deplite.resources.limits import Cidr, DisplayName, ObjectName, RateLimit
from deplite.resources.resource import Record, Resource, Spec, Status, Time
from deplite.resources.secrettemplate import SecretTemplate

Permission = Literal["read", "write", "delete"]
"""What a storage grant may permit."""


class Grant(Record):
    """What the token may reach, by object names of the same namespace."""

    type: Literal["agent", "trigger", "storage"]
    agents: tuple[ObjectName, ...] = Field(default=(), max_length=100)
    triggers: tuple[ObjectName, ...] = Field(default=(), max_length=100)
    bindings: tuple[str, ...] | None = Field(default=None, max_length=100)
    """Opaque labels of at most 64 characters; absent: any."""
    permissions: tuple[Permission, ...] = Field(default=(), max_length=3)


class ApiTokenSpec(Spec):
    """What the token is for, and its bounds."""

    display_name: DisplayName | None = None
    grants: tuple[Grant, ...] = Field(min_length=1, max_length=20)
    rate_limit: RateLimit = Field(default_factory=RateLimit)
    expires_at: Time | None = None
    allowed_cidrs: tuple[Cidr, ...] = Field(default=(), max_length=50, alias="allowedCIDRs")
    secret_name: ObjectName | None = None
    """The Secret (keys `token`, `url`) that the operator mints the token into."""
    secret_template: SecretTemplate | None = None
    """What that Secret has beside its content."""
    rotation: int = Field(default=0, ge=0, le=1_000_000_000)
    """Raise it to have the token minted anew."""
    minted_by: Literal["api", "operator"] = "operator"


class TokenHash(Record):
    """One accepted spelling of the token; two while an old one is still allowed."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    prefix: str = Field(min_length=1, max_length=16)
    not_after: Time | None = None


class ApiTokenStatus(Status):
    """Writer: whoever minted (hashes, rotation); apiserver (lastUsedAt); operator (id, conditions, generation)."""

    id: str | None = Field(default=None, max_length=64)
    hashes: tuple[TokenHash, ...] = Field(default=(), max_length=4)
    rotation: int | None = None
    """The `spec.rotation` that the newest hash belongs to."""
    last_used_at: Time | None = None


class ApiToken(Resource):
    """A credential that may fire triggers by webhook."""

    KIND: ClassVar[str] = "ApiToken"
    PLURAL: ClassVar[str] = "apitokens"

    spec: ApiTokenSpec
    status: ApiTokenStatus = Field(default_factory=ApiTokenStatus)
