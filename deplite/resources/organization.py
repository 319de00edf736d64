"""Organization: who may use a namespace."""

from typing import ClassVar, Literal

from pydantic import Field

from deplite.resources.limits import DisplayName
from deplite.resources.resource import Record, Resource, Spec, Status

NAMESPACE_PATTERN = r"^org-[a-z0-9-]{1,55}$"
"""What a namespace must be called to be an organization."""

ORGANIZATION_NAME = "organization"
"""The one name an Organization object may have."""


class Member(Record):
    """One person: the same subject at two issuers is two people."""

    issuer: str = Field(min_length=1, max_length=512)
    subject: str = Field(min_length=1, max_length=255)
    role: Literal["owner", "member"]


class OrganizationSpec(Spec):
    """Who the organization is."""

    display_name: DisplayName | None = None
    members: tuple[Member, ...] = Field(default=(), max_length=500)


class OrganizationStatus(Status):
    """Writer of all: operator."""


class Organization(Resource):
    """An organization; its id is its namespace."""

    KIND: ClassVar[str] = "Organization"
    PLURAL: ClassVar[str] = "organizations"

    spec: OrganizationSpec = Field(default_factory=OrganizationSpec)
    status: OrganizationStatus = Field(default_factory=OrganizationStatus)
