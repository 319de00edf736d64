"""StoredFile: an object in S3 that somebody uploaded, or is about to."""

from typing import ClassVar, Literal

from pydantic import Field

from deplite.resources.limits import ObjectName
from deplite.resources.resource import Resource, Spec, Status, Time

MAX_FILE_BYTES = 5 * 2**40
"""What S3 takes for one object."""


class StoredFileSpec(Spec):
    """What the uploader declared."""

    filename: str | None = Field(default=None, max_length=255)
    content_type: str | None = Field(default=None, max_length=255)
    size: int | None = Field(default=None, ge=1, le=MAX_FILE_BYTES)
    """Bytes; absent where the client did not say."""
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    cleanup_rule: Literal["ttl", "persistent", "on_job_end"] = "ttl"
    ttl_seconds: int | None = Field(default=None, ge=60, le=31_536_000)
    binding_id: str | None = Field(default=None, max_length=64)
    job: ObjectName | None = None
    job_uid: str | None = Field(default=None, pattern=r"^[0-9a-f]{8}$", max_length=8)
    """The first 8 characters of that job's uid: a job id can come back."""
    agent: ObjectName | None = None
    """The Agent that uploads it, for a file of a job."""


class StoredFileStatus(Status):
    """Writer of all: apiserver."""

    phase: Literal["Pending", "Stored"] = "Pending"
    size: int | None = None
    checksum: str | None = Field(default=None, max_length=128)
    """The ETag of the object that was completed."""
    stored_at: Time | None = None
    expires_at: Time | None = None


class StoredFile(Resource):
    """A file in the organization's storage."""

    KIND: ClassVar[str] = "StoredFile"
    PLURAL: ClassVar[str] = "storedfiles"

    spec: StoredFileSpec = Field(default_factory=StoredFileSpec)
    status: StoredFileStatus = Field(default_factory=StoredFileStatus)
