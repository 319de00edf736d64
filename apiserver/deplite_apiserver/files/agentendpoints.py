"""/agent/jobs/:id/files and /agent/files for agents: the files of their own jobs."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from deplite.protocol.request import JOB_UID_HEADER
from deplite.resources.identifiers import upload_name
from deplite.resources.storedfile import StoredFileSpec
from deplite_apiserver.audit.entry import Audited
from deplite_apiserver.auth.dependencies import SigningAgent
from deplite_apiserver.context import Ctx
from deplite_apiserver.edge.body import json_body
from deplite_apiserver.files import service
from deplite_apiserver.files.completion import complete
from deplite_apiserver.files.lookup import of_agent
from deplite_apiserver.files.schemas import AgentUploadRequest, DownloadShape, FileShape, UploadShape, shape_of
from deplite_apiserver.jobs.request import NothingAsked

router = APIRouter(tags=["File"])


@router.post("/agent/jobs/{job_id}/files/presign-upload", status_code=201)
async def presign_job_upload(
    job_id: str,
    context: Ctx,
    caller: SigningAgent,
    audited: Audited,
    request: Request,
    body: Annotated[AgentUploadRequest, Depends(json_body(AgentUploadRequest))],
) -> UploadShape:
    """Announce a file of a job and get a URL to upload it to: a plain PUT, once.

    Unless the body says otherwise, the file goes some time after its job has ended. A replay of the very request meets
    the same file.
    """
    agent = caller.agent
    uid = request.headers.get(JOB_UID_HEADER)
    job = await context.desk.lookup.of_agent(agent.namespace, agent.name, job_id, uid)
    spec = StoredFileSpec(job=job.name, job_uid=job.uid8, agent=agent.name, **body.fields("on_job_end"))
    announced = await service.announce(context, agent.namespace, upload_name(caller.id, caller.nonce), spec)
    audited.made(announced.file.id, changed=announced.new)
    audited.detail["job"] = job.name
    return announced.answer


@router.post("/agent/files/{file_id}/complete")
async def complete_job_upload(
    file_id: str,
    context: Ctx,
    caller: SigningAgent,
    audited: Audited,
    body: Annotated[NothingAsked, Depends(json_body(NothingAsked))],
) -> FileShape:
    """Say that a file of a job was uploaded: from then on it is `stored`; a repeat changes nothing."""
    return shape_of(await complete(context, await of_agent(context, caller, file_id), audited))


@router.get("/agent/files/{file_id}/download-url")
async def get_job_download_url(file_id: str, context: Ctx, caller: SigningAgent) -> DownloadShape:
    """Get a URL to download a file of a job from."""
    return await service.download(context, await of_agent(context, caller, file_id))


@router.get("/agent/files/{file_id}")
async def get_job_file(file_id: str, context: Ctx, caller: SigningAgent) -> FileShape:
    """Show a file of a job."""
    return shape_of(await of_agent(context, caller, file_id))


@router.delete("/agent/files/{file_id}", status_code=204)
async def delete_job_file(file_id: str, context: Ctx, caller: SigningAgent, audited: Audited) -> None:
    """Delete a file of a job and its content."""
    await service.remove(context, await of_agent(context, caller, file_id))
    audited.made(file_id)
