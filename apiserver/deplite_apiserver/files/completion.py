"""Completing an upload: the one way from pending to stored, by compare-and-swap, after a look at what was uploaded.

An upload that is not what was announced is refused for good, record and object: nobody can replace an object while
somebody else decides about it, and a client announces its next try anew.
"""

from datetime import timedelta
from typing import Any

from deplite.failpoints import failpoint
from deplite.kube.errors import ConflictError as StaleError
from deplite.resources import StoredFile
from deplite.resources.resource import utc
from deplite_apiserver.audit.entry import Entry
from deplite_apiserver.context import Context
from deplite_apiserver.errors import (
    NotFoundError,
    QuotaExceededError,
    UnavailableError,
    ValidationFailedError,
)
from deplite_apiserver.files.schemas import DEFAULT_TTL_SECONDS
from deplite_apiserver.files.service import discard, not_uploaded, too_large
from deplite_apiserver.files.view import FileView, project
from deplite_apiserver.storage.objects import Head

_TRIES = 5


async def complete(context: Context, file: FileView, audited: Entry) -> FileView:
    """Note that a file was uploaded, and in `audited` what this call changed.

    Raises:
        ConflictError: `not_uploaded`.
        ValidationFailedError: `file_too_large`, `upload_mismatch`: the upload is deleted.
        QuotaExceededError: the organization has no room for so many bytes: the upload is deleted.
        StorageUnavailableError: nothing was changed; try again.
    """
    if file.stored:
        audited.made(file.id, changed=False)
        return file
    for _ in range(_TRIES):
        whole = await context.kube.get(StoredFile, file.namespace, file.name)
        if whole.metadata.uid != file.uid:
            raise NotFoundError
        if whole.status.phase == "Stored":
            audited.made(file.id, changed=False)
            return project(whole)
        head = await context.store.head(file.key)
        if head is None:
            raise not_uploaded()
        try:
            return await _decide(context, whole, head, audited)
        except StaleError:
            continue
    raise UnavailableError(retry_after=1)


async def _decide(context: Context, whole: StoredFile, head: Head, audited: Entry) -> FileView:
    file, version = project(whole), whole.metadata.resource_version
    try:
        _check(context, file, head)
        with context.room.for_bytes(file.namespace, head.size - (file.declared_size or 0)):
            failpoint("apiserver.file.checked")
            written = await context.kube.patch_status(
                StoredFile, file.namespace, file.name, _status(context, file, head), version=version
            )
            failpoint("apiserver.file.completed")
            context.caches.files.note(written)
    except (ValidationFailedError, QuotaExceededError):
        await context.kube.delete(StoredFile, file.namespace, file.name, uid=file.uid, version=version)
        audited.refused(file.id)
        context.caches.files.forget(file.namespace, file.name, file.uid)
        await discard(context, file)
        raise
    audited.made(file.id)
    return project(written)


def _check(context: Context, file: FileView, head: Head) -> None:
    most = context.settings.max_file_bytes
    if head.size > most:
        raise too_large(most)
    if (problem := mismatch(file, head)) is not None:
        raise ValidationFailedError(problem, code="upload_mismatch")


def mismatch(file: FileView, head: Head) -> str | None:
    """Say how an upload differs from what was announced; None: it does not, as far as the store can tell. Pure."""
    if file.declared_size is not None and head.size != file.declared_size:
        return f"size: {file.declared_size} bytes were announced and {head.size} uploaded."
    if file.sha256 is not None and head.sha256 is not None and head.sha256 != file.sha256:
        return "sha256: other content was uploaded than was announced."
    return None


def _status(context: Context, file: FileView, head: Head) -> dict[str, Any]:
    now = context.clock.now()
    status = {"phase": "Stored", "size": head.size, "checksum": head.etag[:128], "storedAt": utc(now)}
    if file.rule == "ttl":
        seconds = DEFAULT_TTL_SECONDS if file.ttl_seconds is None else file.ttl_seconds
        status["expiresAt"] = utc(now + timedelta(seconds=seconds))
    return status
