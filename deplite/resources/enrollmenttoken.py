"""EnrollmentToken: a code that lets a machine enrol."""

from datetime import datetime, timedelta
from typing import ClassVar, Literal

from pydantic import Field

from deplite.resources.limits import ObjectName
from deplite.resources.resource import Record, Resource, Spec, Status, Time
from deplite.resources.secrettemplate import SecretTemplate

DEFAULT_LIFE = timedelta(hours=1)
"""From the creation, where nobody named an end."""


class EnrollmentTokenSpec(Spec):
    """For whom the code is, and how long."""

    label: str | None = Field(default=None, min_length=1, max_length=128)
    agent: ObjectName | None = None
    """The declared Agent that the key goes to; absent: enrolment creates an Agent."""
    expires_at: Time | None = None
    """Absent: one hour after creation."""
    uses: int = Field(default=1, ge=1, le=1000)
    secret_name: ObjectName | None = None
    """The Secret (keys `token`, `url`) that the operator mints the code into."""
    secret_template: SecretTemplate | None = None
    """What that Secret has beside its content."""
    minted_by: Literal["api", "operator"] = "operator"


class Use(Record):
    """One enrolment with the code."""

    agent: ObjectName
    public_key_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    at: Time


class EnrollmentTokenStatus(Status):
    """Writer: whoever minted (hash, prefix, expiresAt); apiserver (usedBy); operator (conditions, generation)."""

    hash: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """sha256 of the code."""
    prefix: str | None = Field(default=None, max_length=16)
    expires_at: Time | None = None
    """When the code dies: a bound where the API minted it; else the operator shows here what the spec says."""
    used_by: tuple[Use, ...] = Field(default=(), max_length=1000)


class EnrollmentToken(Resource):
    """A code that a machine enrols with."""

    KIND: ClassVar[str] = "EnrollmentToken"
    PLURAL: ClassVar[str] = "enrollmenttokens"

    spec: EnrollmentTokenSpec = Field(default_factory=EnrollmentTokenSpec)
    status: EnrollmentTokenStatus = Field(default_factory=EnrollmentTokenStatus)

    @property
    def dies_at(self) -> datetime:
        """When the code stops working.

        Raises:
            ValueError: it was never stored, and nobody named an end.
        """
        minted = self.status.expires_at if self.spec.minted_by == "api" else None
        if ends := [end for end in (minted, self.spec.expires_at) if end is not None]:
            return min(ends)
        if self.metadata.creation_timestamp is None:
            raise ValueError("An EnrollmentToken that was never stored has no end.")
        return self.metadata.creation_timestamp + DEFAULT_LIFE
