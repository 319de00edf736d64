"""/orgs/:orgId/files for people."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from deplite.resources.identifiers import random_file_name
from deplite.resources.storedfile import StoredFileSpec
from deplite_apiserver.audit.entry import Audited
from deplite_apiserver.auth.dependencies import Person
from deplite_apiserver.context import Ctx
from deplite_apiserver.edge.body import json_body
from deplite_apiserver.files import service
from deplite_apiserver.files.completion import complete
from deplite_apiserver.files.listing import page_of
from deplite_apiserver.files.lookup import of_organization
from deplite_apiserver.files.schemas import DownloadShape, FileQuery, FileShape, UploadRequest, UploadShape, shape_of
from deplite_apiserver.jobs.request import NothingAsked

router = APIRouter(tags=["File"])


@router.post("/orgs/{org_id}/files/presign-upload", status_code=201)
async def presign_upload(
    org_id: str,
    context: Ctx,
    caller: Person,
    audited: Audited,
    body: Annotated[UploadRequest, Depends(json_body(UploadRequest))],
) -> UploadShape:
    """Announce a file and get a URL to upload it to: a plain PUT, once."""
    spec = StoredFileSpec(binding_id=body.binding_id, **body.fields("ttl"))
    announced = await service.announce(context, org_id, random_file_name(), spec)
    audited.made(announced.file.id)
    return announced.answer


@router.post("/orgs/{org_id}/files/{file_id}/complete")
async def complete_upload(
    org_id: str,
    file_id: str,
    context: Ctx,
    caller: Person,
    audited: Audited,
    body: Annotated[NothingAsked, Depends(json_body(NothingAsked))],
) -> FileShape:
    """Say that a file was uploaded: from then on it is `stored`; a repeat changes nothing.

    What is not as it was announced, or larger than a file may be, is deleted and refused.
    """
    return shape_of(await complete(context, await of_organization(context, org_id, file_id), audited))


@router.get("/orgs/{org_id}/files/{file_id}/download-url")
async def get_download_url(org_id: str, file_id: str, context: Ctx, caller: Person) -> DownloadShape:
    """Get a URL to download a file from, as an attachment of its name and type."""
    return await service.download(context, await of_organization(context, org_id, file_id))


@router.get("/orgs/{org_id}/files/{file_id}")
async def get_file(org_id: str, file_id: str, context: Ctx, caller: Person) -> FileShape:
    """Show a file."""
    return shape_of(await of_organization(context, org_id, file_id))


@router.get("/orgs/{org_id}/files")
async def list_files(
    org_id: str,
    context: Ctx,
    caller: Person,
    request: Request,
    response: Response,
    wanted: Annotated[FileQuery, Query()],
) -> list[FileShape]:
    """List the organization's files, newest first."""
    return page_of(context, org_id, wanted, lambda _: True, request, response)


@router.delete("/orgs/{org_id}/files/{file_id}", status_code=204)
async def delete_file(org_id: str, file_id: str, context: Ctx, caller: Person) -> None:
    """Delete a file and its content."""
    await service.remove(context, await of_organization(context, org_id, file_id))
