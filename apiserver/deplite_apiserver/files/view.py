"""What a replica remembers of each StoredFile: there may be many thousands, so as little as lists and rules need."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from sys import intern
from typing import Any, Literal

from deplite.resources.identifiers import object_id
from deplite.resources.storedfile import StoredFile

Rule = Literal["ttl", "persistent", "on_job_end"]

FOLDER = "files/"
"""What the keys of all objects of files begin with."""
URL_SECONDS = 900
"""How long a signed URL is good at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FileView:
    """A file that was announced, and perhaps stored since."""

    namespace: str
    name: str
    uid: str
    id: str
    """As REST shows it."""
    filename: str | None
    """What people see; part of no key."""
    content_type: str | None
    declared_size: int | None
    """Bytes that the uploader spoke of; None: of none."""
    sha256: str | None
    """What the uploader declared, in hex."""
    rule: Rule
    ttl_seconds: int | None
    binding: str | None
    job: str | None
    """The DeployJob that it belongs to, in the same namespace."""
    job_uid: str | None
    """The first 8 characters of that job's uid."""
    agent: str | None
    """The Agent that uploads it, in the same namespace."""
    stored: bool
    """Whether the upload was completed."""
    stored_size: int | None
    etag: str | None
    """What the object store called the content when it was completed."""
    created_at: datetime
    stored_at: datetime | None
    expires_at: datetime | None
    leaving: bool
    """Its namespace is being deleted."""

    @property
    def key(self) -> str:
        """The key of its object: nothing that a caller says is in it, and no two files ever share one."""
        return f"{FOLDER}{self.namespace}/{self.id}-{self.uid[:8]}"

    @property
    def size(self) -> int | None:
        """Bytes: those that are stored, before that those that were declared."""
        return self.stored_size if self.stored else self.declared_size

    @property
    def order(self) -> tuple[float, str]:
        """What sorts newest first when reversed."""
        return self.created_at.timestamp(), self.name


INDEXES: Mapping[str, Callable[[FileView], Hashable | None]] = {
    "id": lambda file: file.id,
    "namespace": lambda file: file.namespace,
    "job": lambda file: None if file.job is None else (file.namespace, file.job),
}
"""How the cache of files is indexed."""


def project(body: Mapping[str, Any] | StoredFile) -> FileView:
    """Return what is kept of a StoredFile."""
    file = body if isinstance(body, StoredFile) else StoredFile.model_validate(body)
    spec, status = file.spec, file.status
    return FileView(
        namespace=intern(file.namespace),
        name=file.name,
        uid=file.metadata.uid,
        id=object_id("f", *file.key),
        filename=spec.filename,
        content_type=None if spec.content_type is None else intern(spec.content_type),
        declared_size=spec.size,
        sha256=spec.sha256,
        rule=spec.cleanup_rule,
        ttl_seconds=spec.ttl_seconds,
        binding=None if spec.binding_id is None else intern(spec.binding_id),
        job=None if spec.job is None else intern(spec.job),
        job_uid=spec.job_uid,
        agent=None if spec.agent is None else intern(spec.agent),
        stored=status.phase == "Stored",
        stored_size=status.size,
        etag=status.checksum,
        created_at=file.metadata.creation_timestamp or datetime.fromtimestamp(0, UTC),
        stored_at=status.stored_at,
        expires_at=status.expires_at,
        leaving=file.metadata.deletion_timestamp is not None,
    )
