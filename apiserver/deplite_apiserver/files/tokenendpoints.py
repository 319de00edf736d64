"""/storage/files for API tokens: what their storage grants permit, under the labels of these."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from deplite.resources.apitoken import Permission
from deplite.resources.identifiers import random_file_name
from deplite.resources.storedfile import StoredFileSpec
from deplite_apiserver.audit.entry import Audited
from deplite_apiserver.auth.callers import TokenCaller
from deplite_apiserver.context import Ctx
from deplite_apiserver.edge.body import json_body
from deplite_apiserver.files import service
from deplite_apiserver.files.completion import complete
from deplite_apiserver.files.listing import page_of
from deplite_apiserver.files.lookup import not_granted, of_token
from deplite_apiserver.files.schemas import (
    DownloadShape,
    FileShape,
    TokenFileQuery,
    UploadRequest,
    UploadShape,
    shape_of,
)
from deplite_apiserver.jobs.request import NothingAsked
from deplite_apiserver.tokens.grants import permits, permits_somewhere
from deplite_apiserver.tokens.reads import ReadingToken

router = APIRouter(tags=["File"])


def _permitted(permission: Permission) -> Callable[[TokenCaller], Awaitable[TokenCaller]]:
    """Return a dependency that refuses a token without the permission before it looks at anything else."""

    async def token(caller: ReadingToken) -> TokenCaller:
        if not permits_somewhere(caller.token.spec.grants, permission):
            raise not_granted(permission)
        return caller

    return token


Reader = Annotated[TokenCaller, Depends(_permitted("read"))]
Writer = Annotated[TokenCaller, Depends(_permitted("write"))]
Deleter = Annotated[TokenCaller, Depends(_permitted("delete"))]


@router.post("/storage/files/presign-upload", status_code=201)
async def presign_granted_upload(
    context: Ctx,
    caller: Writer,
    audited: Audited,
    body: Annotated[UploadRequest, Depends(json_body(UploadRequest))],
) -> UploadShape:
    """Announce a file and get a URL to upload it to: a plain PUT, once."""
    if not permits(caller.token.spec.grants, "write", body.binding_id):
        raise not_granted("write")
    spec = StoredFileSpec(binding_id=body.binding_id, **body.fields("ttl"))
    announced = await service.announce(context, caller.organization, random_file_name(), spec)
    audited.made(announced.file.id)
    return announced.answer


@router.post("/storage/files/{file_id}/complete")
async def complete_granted_upload(
    file_id: str,
    context: Ctx,
    caller: Writer,
    audited: Audited,
    body: Annotated[NothingAsked, Depends(json_body(NothingAsked))],
) -> FileShape:
    """Say that a file was uploaded: from then on it is `stored`; a repeat changes nothing."""
    return shape_of(await complete(context, await of_token(context, caller, file_id, "write"), audited))


@router.get("/storage/files/{file_id}/download-url")
async def get_granted_download_url(file_id: str, context: Ctx, caller: Reader) -> DownloadShape:
    """Get a URL to download a file from, as an attachment of its name and type."""
    return await service.download(context, await of_token(context, caller, file_id, "read"))


@router.get("/storage/files/{file_id}")
async def get_granted_file(file_id: str, context: Ctx, caller: Reader) -> FileShape:
    """Show a file."""
    return shape_of(await of_token(context, caller, file_id, "read"))


@router.get("/storage/files")
async def list_granted_files(
    context: Ctx, caller: Reader, request: Request, response: Response, wanted: Annotated[TokenFileQuery, Query()]
) -> list[FileShape]:
    """List the files that the calling token may read, newest first."""
    grants = caller.token.spec.grants
    if wanted.binding_id is not None and not permits(grants, "read", wanted.binding_id):
        raise not_granted("read")
    return page_of(
        context, caller.organization, wanted, lambda file: permits(grants, "read", file.binding), request, response
    )


@router.delete("/storage/files/{file_id}", status_code=204)
async def delete_granted_file(file_id: str, context: Ctx, caller: Deleter) -> None:
    """Delete a file and its content."""
    await service.remove(context, await of_token(context, caller, file_id, "delete"))
