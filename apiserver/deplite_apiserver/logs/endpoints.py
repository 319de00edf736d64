"""`POST /agent/jobs/:id/logs`, and `GET /jobs/:id/logs` as pages or as a stream."""

import contextlib
import json
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from sse_starlette import ServerSentEvent

from deplite.protocol.request import JOB_UID_HEADER
from deplite_apiserver.auth.callers import AgentCaller
from deplite_apiserver.auth.dependencies import PersonOrToken, SigningAgent
from deplite_apiserver.context import Ctx
from deplite_apiserver.edge.body import JsonBody, RawBody, json_value, validated
from deplite_apiserver.edge.eventstream import EventStream
from deplite_apiserver.jobs.callers import charge_read, may_still_read, reader_of
from deplite_apiserver.logs.follow import End
from deplite_apiserver.logs.intake import page, take
from deplite_apiserver.logs.lines import LogLine
from deplite_apiserver.logs.schemas import AcceptedShape, LogBatch, LogPageShape
from deplite_apiserver.storage.pieces import LogName

MAX_LIMIT = 1000

router = APIRouter(tags=["Log"])


class _Batch(JsonBody[LogBatch]):
    """Reads a batch; what is no UTF-8 is replaced and not refused, for programs write what they like."""

    async def __call__(self, raw: RawBody) -> LogBatch:
        return validated(self.model, json_value(raw.decode("utf-8", "replace").encode()))


async def _within_flow(context: Ctx, caller: SigningAgent, raw: RawBody) -> AgentCaller:
    """Return the agent, if it does not send too fast; asked before anybody looks into the body."""
    context.log_flows.charge(caller.agent.key, 1, len(raw))
    return caller


@router.post("/agent/jobs/{job_id}/logs", response_model=None, responses={200: {"model": AcceptedShape}})
async def upload_log(
    context: Ctx,
    caller: Annotated[AgentCaller, Depends(_within_flow)],
    job_id: str,
    request: Request,
    batch: Annotated[LogBatch, Depends(_Batch(LogBatch))],
) -> dict[str, Any]:
    """Take lines of an agent's job: once this answers, they are stored, but for those that it says were dropped.

    `accepted` counts the lines that were new. A log that reaches 256 MiB or 2 000 000 lines (`DEPLITE_MAX_LOG_BYTES`,
    `DEPLITE_MAX_LOG_LINES`) is cut: a `system` line under the `seq` of the first line that was left out says so, later
    lines of the streams `system` and `summary` still find some room, and the job goes on. Then `dropped` counts the
    lines that are not stored; do not send them again. An agent that sends more than 4 MiB or 100 requests a second for
    long (`DEPLITE_LOG_BYTES_PER_SECOND`, `DEPLITE_LOG_BURST_BYTES`, `DEPLITE_LOG_REQUESTS_PER_SECOND`) gets 429: wait
    `retryAfter` seconds and send the same batch again. Results are never refused for that.
    """
    job = await context.desk.reports.job_of_logs(caller, job_id, request.headers.get(JOB_UID_HEADER))
    return await take(context.desk.logs, context.desk.steps, job, batch)


@router.get("/jobs/{job_id}/logs", response_model=None, responses={200: {"model": LogPageShape}})
async def show_log(
    context: Ctx,
    caller: PersonOrToken,
    job_id: str,
    request: Request,
    from_seq: Annotated[int, Query(alias="fromSeq", ge=0, le=2**63)] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = MAX_LIMIT,
) -> Response:
    """Show the lines of a job from a seq on; ask again with `nextSeq` for what follows.

    With `Accept: text/event-stream` each line is an event with its seq as `id`, as it comes, until the event `end`.
    """
    await charge_read(context.limiter, caller)
    job = await context.desk.lookup.whole(reader_of(context, caller), job_id)
    if "text/event-stream" in request.headers.get("accept", ""):
        found = context.desk.followers.follow(
            job, _resumed(request, from_seq), caller=caller.id, allowed=lambda: may_still_read(context, caller, job)
        )
        return EventStream(_events(found))
    name = LogName(organization=job.namespace, storage_key=job.storage_key)
    return JSONResponse(page(await context.desk.logs.read(name, from_seq, limit), from_seq))


def _resumed(request: Request, from_seq: int) -> int:
    """Return where a client goes on that was cut off; an id that is none of ours means from the beginning."""
    last = request.headers.get("last-event-id", "")
    return int(last) + 1 if re.fullmatch(r"[0-9]{1,19}", last) else from_seq


async def _events(found: AsyncGenerator[Sequence[LogLine] | End, None]) -> AsyncGenerator[ServerSentEvent, None]:
    async with contextlib.aclosing(found):
        async for lines in found:
            if isinstance(lines, End):
                end = {"status": lines.status, "nextSeq": lines.next_seq}
                yield ServerSentEvent(event="end", data=_compact(end), sep="\n")
                return
            for line in lines:
                yield ServerSentEvent(id=str(line["seq"]), data=_compact(line), sep="\n")


def _compact(data: Mapping[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":"))
