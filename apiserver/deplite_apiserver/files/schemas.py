"""Bodies and answers of the file endpoints."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StrictStr, model_validator

from deplite.resources.storedfile import MAX_FILE_BYTES
from deplite_apiserver.edge.body import Closed, Shape
from deplite_apiserver.edge.pages import DEFAULT_LIMIT, MAX_LIMIT
from deplite_apiserver.files.view import FileView, Rule

DEFAULT_TTL_SECONDS = 86_400
DEFAULT_CONTENT_TYPE = "application/octet-stream"
CONTENT_TYPE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}(;[ -~]*)?$"

_PRINTED = r"^[^\x00-\x1f\x7f-\x9f]+$"
Label = Annotated[StrictStr, Field(min_length=1, max_length=64, pattern=_PRINTED)]


class AgentUploadRequest(Closed):
    """POST …/files/presign-upload of an agent: what is to be uploaded, and how long it is kept."""

    filename: StrictStr | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        pattern=_PRINTED,
        description="What people see; it has no influence on where the file is kept.",
    )
    content_type: StrictStr | None = Field(default=None, max_length=255, pattern=CONTENT_TYPE_PATTERN)
    cleanup_rule: Rule | None = Field(
        default=None,
        description="When the file goes: `ttlSeconds` after it was stored, never, or with the end of its job.",
    )
    ttl_seconds: int | None = Field(
        default=None,
        ge=60,
        le=31_536_000,
        strict=True,
        description="Of the rule `ttl`; 24 hours unless said. Other rules ignore it: clients may always send one.",
    )
    size: int | None = Field(
        default=None, ge=1, le=MAX_FILE_BYTES, strict=True, description="Bytes; the storage refuses other ones."
    )
    sha256: StrictStr | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{64}$",
        description="Of the content, in hex; the storage refuses other content.",
    )

    def rule(self, default: Rule) -> Rule:
        """Return the rule; a `ttlSeconds` without one means `ttl`."""
        return self.cleanup_rule or ("ttl" if self.ttl_seconds is not None else default)

    def fields(self, default: Rule) -> dict[str, Any]:
        """Return what the spec of a StoredFile takes from this."""
        rule = self.rule(default)
        return {
            "filename": self.filename,
            "content_type": self.content_type or DEFAULT_CONTENT_TYPE,
            "size": self.size,
            "sha256": self.sha256,
            "cleanup_rule": rule,
            "ttl_seconds": (self.ttl_seconds or DEFAULT_TTL_SECONDS) if rule == "ttl" else None,
        }


class UploadRequest(AgentUploadRequest):
    """POST …/files/presign-upload of a person or a token, who have no job: their default rule is `ttl`."""

    binding_id: Label | None = Field(default=None, description="A label of your own, which token grants speak of.")

    @model_validator(mode="after")
    def _check_rule(self) -> Self:
        if self.cleanup_rule == "on_job_end":
            raise ValueError("cleanupRule on_job_end is for files of a job, which its agent uploads")
        return self


class TokenFileQuery(Closed):
    """The query of `GET /storage/files`."""

    status: Literal["pending", "stored"] | None = None
    binding_id: Label | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT
    cursor: Annotated[str, Field(max_length=2048)] | None = None

    def filters(self) -> Mapping[str, Any]:
        """Return what the next page's query begins with."""
        return self.model_dump(by_alias=True, exclude={"cursor"}, exclude_none=True)


class FileQuery(TokenFileQuery):
    """The query of `GET /orgs/:orgId/files`."""

    job_id: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")] | None = None


class UploadShape(Shape):
    """Where to upload to: one PUT of the bytes, with these headers and a Content-Length."""

    file_id: str
    upload_url: str = Field(description="Good for one upload; whoever has it may make that.")
    upload_headers: dict[str, str] = Field(description="Send all of them, as they are: the URL is signed for them.")
    expires_in_seconds: int


class FileShape(Shape):
    """A file as REST shows it."""

    id: str
    binding_id: str | None
    job_id: str | None
    filename: str | None
    content_type: str
    size: int | None
    sha256: str | None
    status: Literal["pending", "stored"]
    cleanup_rule: Rule
    expires_at: datetime | None
    created_at: datetime


class DownloadShape(Shape):
    """Where to download from; the answer there is an attachment."""

    download_url: str
    expires_in_seconds: int


class JobFileShape(Shape):
    """A file as the detail of its job shows it."""

    id: str
    filename: str | None
    size: int | None
    content_type: str
    status: Literal["pending", "stored"]


def shape_of(file: FileView) -> FileShape:
    """Return what REST shows of a file."""
    return FileShape(
        id=file.id,
        binding_id=file.binding,
        job_id=file.job,
        filename=file.filename,
        content_type=file.content_type or DEFAULT_CONTENT_TYPE,
        size=file.size,
        sha256=file.sha256,
        status="stored" if file.stored else "pending",
        cleanup_rule=file.rule,
        expires_at=file.expires_at,
        created_at=file.created_at,
    )


def short_of(file: FileView) -> JobFileShape:
    """Return what the detail of a job shows of a file."""
    return JobFileShape(**shape_of(file).model_dump(include=set(JobFileShape.model_fields), by_alias=False))
