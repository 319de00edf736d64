"""`POST /agent/jobs/:id/logs` and `GET /jobs/:id/logs`."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from deplite.protocol.request import JOB_UID_HEADER
from deplite_apiserver.auth.dependencies import PersonOrToken, SigningAgent
from deplite_apiserver.context import Ctx
from deplite_apiserver.edge.body import RawBody, json_value, validated
from deplite_apiserver.jobs.callers import charge_read, reader_of
from deplite_apiserver.logs.intake import page, take
from deplite_apiserver.logs.schemas import LogBatch
from deplite_apiserver.storage.pieces import LogName

MAX_LIMIT = 1000

router = APIRouter()


async def _batch(raw: RawBody) -> LogBatch:
    """Read a batch; what is no UTF-8 is replaced and not refused, for programs write what they like."""
    return validated(LogBatch, json_value(raw.decode("utf-8", "replace").encode()))


@router.post("/agent/jobs/{job_id}/logs")
async def upload(
    context: Ctx,
    caller: SigningAgent,
    job_id: str,
    request: Request,
    batch: Annotated[LogBatch, Depends(_batch)],
) -> dict[str, Any]:
    """Take lines of an agent's job: once this answers, they are stored."""
    job = await context.desk.reports.job_of_logs(caller, job_id, request.headers.get(JOB_UID_HEADER))
    return await take(context.desk.logs, job, batch)


@router.get("/jobs/{job_id}/logs")
async def show(
    context: Ctx,
    caller: PersonOrToken,
    job_id: str,
    from_seq: Annotated[int, Query(alias="fromSeq", ge=0, le=2**63)] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = MAX_LIMIT,
) -> dict[str, Any]:
    """Show the lines of a job from a seq on; ask again with `nextSeq` for what follows."""
    await charge_read(context.limiter, caller)
    job = await context.desk.lookup.whole(reader_of(context, caller), job_id)
    name = LogName(organization=job.namespace, storage_key=job.storage_key)
    return page(await context.desk.logs.read(name, from_seq, limit), from_seq)
