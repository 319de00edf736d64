"""What the file endpoints do. The bytes never pass through here: callers and the object store exchange them."""

import logging
from dataclasses import dataclass

from deplite.failpoints import failpoint
from deplite.kube.errors import AlreadyExistsError
from deplite.resources import StoredFile
from deplite.resources.resource import CREATED_BY_LABEL, Meta
from deplite.resources.storedfile import StoredFileSpec
from deplite_apiserver.context import Context
from deplite_apiserver.errors import AgentAuthError, ConflictError, NotFoundError, ValidationFailedError
from deplite_apiserver.files.names import download_name, download_type
from deplite_apiserver.files.schemas import DEFAULT_CONTENT_TYPE, DownloadShape, UploadShape
from deplite_apiserver.files.view import URL_SECONDS, FileView, project
from deplite_apiserver.storage.objects import StorageUnavailableError

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Announced:
    """A file that may be uploaded now."""

    file: FileView
    answer: UploadShape
    new: bool
    """False: a repeat of the very request."""


async def announce(context: Context, namespace: str, name: str, spec: StoredFileSpec) -> Announced:
    """Create a StoredFile, and sign one upload.

    Args:
        context: the collaborators.
        namespace: the organization.
        name: the object's name; of a signed request always the same.
        spec: what is announced.

    Raises:
        ValidationFailedError: `file_too_large`.
        QuotaExceededError: the organization has no room for it.
        AgentAuthError: `nonce_replayed`: another request had the nonce of this one.
    """
    if spec.size is not None and spec.size > context.settings.max_file_bytes:
        raise too_large(context.settings.max_file_bytes)
    with context.room.for_file(namespace, spec.size or 0):
        made, new = await _record(context, namespace, name, spec)
        failpoint("apiserver.file.announced")
        context.caches.files.note(made)
    file = project(made)
    return Announced(file=file, answer=_upload(context, file), new=new)


async def _record(context: Context, namespace: str, name: str, spec: StoredFileSpec) -> tuple[StoredFile, bool]:
    """Return the StoredFile, and whether it is new."""
    meta = Meta(name=name, namespace=namespace, labels={CREATED_BY_LABEL: "api"})
    try:
        return await context.kube.create(StoredFile(metadata=meta, spec=spec)), True
    except AlreadyExistsError:
        made = await context.kube.get(StoredFile, namespace, name)
        if made.spec != spec:
            raise AgentAuthError("This nonce was used before.", code="nonce_replayed") from None
        return made, False


def _upload(context: Context, file: FileView) -> UploadShape:
    signed = context.presigner.upload(
        file.key,
        expires_seconds=URL_SECONDS,
        content_type=file.content_type or DEFAULT_CONTENT_TYPE,
        size=file.declared_size,
        sha256_hex=file.sha256,
    )
    return UploadShape(
        file_id=file.id, upload_url=signed.url, upload_headers=dict(signed.headers), expires_in_seconds=URL_SECONDS
    )


async def download(context: Context, file: FileView) -> DownloadShape:
    """Sign a download of the very content that was completed.

    Raises:
        ConflictError: `not_uploaded`, or `file_changed`: somebody put another object into its place.
        NotFoundError: somebody took the object out of the storage.
        StorageUnavailableError: a URL that leads nowhere helps nobody.
    """
    if not file.stored:  # another replica may have completed it just now
        file = project(await context.kube.get(StoredFile, file.namespace, file.name))
    if not file.stored:
        raise not_uploaded()
    head = await context.store.head(file.key)
    if head is None:
        raise NotFoundError("The content of this file is not in the storage any more.")
    if file.etag is not None and head.etag != file.etag:
        raise ConflictError("The content of this file was replaced in the storage.", code="file_changed")
    seconds = _seconds(context, file)
    url = context.presigner.download(
        file.key, expires_seconds=seconds, filename=download_name(file), content_type=download_type(file)
    )
    return DownloadShape(download_url=url, expires_in_seconds=seconds)


def _seconds(context: Context, file: FileView) -> int:
    if file.expires_at is None:
        return URL_SECONDS
    left = int((file.expires_at - context.clock.now()).total_seconds())
    return max(1, min(URL_SECONDS, left))


async def remove(context: Context, file: FileView) -> None:
    """Delete a file, its record first: an object that no record names is swept, a record without one would lie.

    Raises:
        NotFoundError: somebody else was faster.
        StorageUnavailableError: nothing was changed.
    """
    await context.store.head(file.key)  # only to learn whether the store is there
    await context.kube.delete(StoredFile, file.namespace, file.name, uid=file.uid)
    context.caches.files.forget(file.namespace, file.name, file.uid)
    failpoint("apiserver.file.unrecorded")
    await discard(context, file)


async def discard(context: Context, file: FileView) -> None:
    """Delete the object of a file whose record is gone; where that fails, the sweeper will."""
    try:
        await context.store.delete([file.key])
    except StorageUnavailableError:
        log.warning("the object of file %s is left to the sweeper", file.id, extra={"action": "file_object_left"})


def not_uploaded() -> ConflictError:
    """Return the refusal of what needs the content."""
    return ConflictError("The file was not uploaded, or that was not completed.", code="not_uploaded")


def too_large(most: int) -> ValidationFailedError:
    """Return the refusal of a file of more bytes than one may have."""
    return ValidationFailedError(f"size: a file may have at most {most} bytes.", code="file_too_large")
