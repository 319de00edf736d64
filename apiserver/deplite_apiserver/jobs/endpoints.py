"""Runs and jobs over REST: `/triggers/:id/run` and `/run-manual`, `/jobs/:id`, its `/cancel` and `/rerun`, results."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from deplite.protocol.request import FINISHED_AGO_HEADER, JOB_UID_HEADER
from deplite.resources.deployjob import Cancel, DeployJob
from deplite_apiserver.audit.entry import Audited, Entry
from deplite_apiserver.auth.dependencies import Person, PersonOrToken, SigningAgent, Token, require_role
from deplite_apiserver.context import Context, Ctx
from deplite_apiserver.edge.body import LateBody, json_body, json_value, validated
from deplite_apiserver.edge.pages import link_next
from deplite_apiserver.errors import NotFoundError, ValidationFailedError
from deplite_apiserver.files.lookup import of_shown_job
from deplite_apiserver.jobs.accept import MAX_CALLER_ID
from deplite_apiserver.jobs.callers import charge_read, charge_token_read, reader_of
from deplite_apiserver.jobs.calling import call_of
from deplite_apiserver.jobs.cancel import refuse_finished
from deplite_apiserver.jobs.idempotency import usable_key
from deplite_apiserver.jobs.query import JobQuery
from deplite_apiserver.jobs.request import NothingAsked, RunRequest
from deplite_apiserver.jobs.result import ResultReport, ended_ago
from deplite_apiserver.jobs.run import Asked, Call
from deplite_apiserver.jobs.schemas import (
    AcknowledgementShape,
    ForetoldShape,
    JobRowShape,
    JobShape,
    RunShape,
    acknowledgement,
    detail,
)
from deplite_apiserver.lookup import trigger_by_id, trigger_id_of, trigger_of

router = APIRouter(tags=["Job"])

Raw = Annotated[bytes, Depends(LateBody(RunRequest))]
_RUN: dict[int | str, dict[str, Any]] = {
    200: {
        "model": RunShape | ForetoldShape,
        "description": "The job has ended: the trigger's response mode is sync. Or what a dry run found.",
    },
    202: {"model": RunShape, "description": "The job is accepted; a sync one did not end in time: `timedOut`."},
}

DryRun = Annotated[
    Literal["true"] | None,
    Query(alias="dryRun", description="Say what would become of the run, by its own rules, and start nothing."),
]


@router.post("/triggers/{trigger_id}/run", status_code=202, response_model=None, responses=_RUN)
async def run(
    context: Ctx,
    caller: Token,
    audited: Audited,
    trigger_id: str,
    request: Request,
    raw: Raw,
    dry_run: DryRun = None,
) -> Response:
    """Start a run by webhook; with an `Idempotency-Key` a repeat gets the same job.

    With `dryRun=true` nothing starts: the answer says what would, or which rule refuses and when it would pass.
    """
    trigger = await trigger_by_id(context, trigger_id)
    if trigger.namespace != caller.organization:
        raise NotFoundError
    call = await call_of(context, caller, trigger, lambda: _asked(request, raw))
    return await (_foretell if dry_run else _run)(context, call, audited)


@router.post("/triggers/{trigger_id}/run-manual", status_code=202, response_model=None, responses=_RUN)
async def run_manual(
    context: Ctx,
    caller: Person,
    audited: Audited,
    trigger_id: str,
    request: Request,
    raw: Raw,
    dry_run: DryRun = None,
) -> Response:
    """Start a run by hand, or with `dryRun=true` say what would become of it."""
    trigger = await trigger_by_id(context, trigger_id)
    require_role(context, caller, trigger.namespace, "member")
    call = await call_of(context, caller, trigger, lambda: _asked(request, raw))
    return await (_foretell if dry_run else _run)(context, call, audited)


@router.get("/orgs/{org_id}/jobs", response_model=None, responses={200: {"model": list[JobRowShape]}})
async def list_jobs(
    org_id: str,
    context: Ctx,
    caller: Person,
    request: Request,
    response: Response,
    wanted: Annotated[JobQuery, Query()],
) -> list[dict[str, Any]]:
    """List the organization's jobs, newest first, those that have left the cluster at the end."""
    found = await context.desk.listing.page(org_id, wanted.wanted(), wanted.limit, wanted.cursor)
    if found.cursor is not None:
        link_next(request, response, wanted.filters() | {"cursor": found.cursor})
    return [row.wire() for row in found.rows]


@router.get("/jobs/{job_id}", response_model=None, responses={200: {"model": JobShape}})
async def show_job(context: Ctx, caller: PersonOrToken, job_id: str) -> dict[str, Any]:
    """Show a job; polling this until `success` or `failed` is the documented way to wait."""
    await charge_read(context.limiter, caller)
    job = await context.desk.lookup.whole(reader_of(context, caller), job_id)
    return detail(job, context.desk.waiting_for(job), await of_shown_job(context, job))


@router.post(
    "/jobs/{job_id}/cancel",
    status_code=202,
    response_model=None,
    responses={202: {"model": AcknowledgementShape}},
)
async def cancel(
    context: Ctx,
    caller: PersonOrToken,
    audited: Audited,
    job_id: str,
    body: Annotated[NothingAsked, Depends(json_body(NothingAsked))],
) -> dict[str, Any]:
    """Stop a job: this answers when the wish is stored; `GET /jobs/:id` tells when it has ended."""
    await charge_read(context.limiter, caller)
    job = await context.desk.lookup.whole(reader_of(context, caller), job_id)
    audited.within(job.namespace)
    refuse_finished(job)
    wish = Cancel(by=caller.id[:MAX_CALLER_ID])
    return acknowledgement(await context.desk.cancels.ask(job.namespace, job.name, job.metadata.uid, wish))


@router.post("/jobs/{job_id}/rerun", status_code=202, response_model=None, responses={202: {"model": RunShape}})
async def rerun(
    context: Ctx,
    caller: PersonOrToken,
    audited: Audited,
    job_id: str,
    request: Request,
    raw: Annotated[bytes, Depends(LateBody(NothingAsked))],
) -> Response:
    """Start the same run again as a new job, under all rules of a new run."""
    await charge_read(context.limiter, caller)
    job = await context.desk.lookup.whole(reader_of(context, caller), job_id)
    audited.within(job.namespace)
    trigger = await trigger_of(context, job)
    call = await call_of(context, caller, trigger, lambda: _asked_again(request, raw, job))
    ran = await context.desk.runs.start(call)
    audited.made(ran.job.name, changed=not ran.idempotent)
    audited.detail["rerunOf"] = job.name
    return JSONResponse(ran.wire(), status_code=ran.status_code)


@router.post(
    "/agent/jobs/{job_id}/result",
    status_code=204,
    responses={202: {"description": "The job had ended otherwise; the report is kept beside it."}},
)
async def result(
    context: Ctx,
    caller: SigningAgent,
    audited: Audited,
    job_id: str,
    request: Request,
    report: Annotated[ResultReport, Depends(json_body(ResultReport))],
) -> Response:
    """Take an agent's claim (`running`) or the end of its job; an equal repeat is harmless."""
    uid = request.headers.get(JOB_UID_HEADER)
    ago = ended_ago(request.headers.get(FINISHED_AGO_HEADER))
    audited.made(job_id)
    audited.detail["status"] = report.status.value
    return Response(status_code=await context.desk.reports.result(caller, job_id, uid, report, ago))


async def _run(context: Context, call: Call, audited: Entry) -> Response:
    ran = await context.desk.runs.run(call)
    audited.made(ran.job.name, changed=not ran.idempotent)
    audited.detail["trigger"] = trigger_id_of(*call.facts.trigger.key)
    audited.waited = ran.sync
    return JSONResponse(ran.wire(), status_code=ran.status_code)


async def _foretell(context: Context, call: Call, audited: Entry) -> Response:
    audited.changed = False
    if call.token is not None:
        await charge_token_read(context.limiter, call.token)
    foretold = await context.desk.runs.foretell(call)
    return JSONResponse(foretold.wire(context.clock.now()))


def _asked(request: Request, raw: bytes) -> Asked:
    return Asked(request=validated(RunRequest, json_value(raw)), key=_key(request))


def _asked_again(request: Request, raw: bytes, job: DeployJob) -> Asked:
    validated(NothingAsked, json_value(raw))
    return Asked(request=RunRequest.again(job.spec), key=_key(request), body={"rerun": job.name})


def _key(request: Request) -> str | None:
    values = request.headers.getlist("idempotency-key")
    if values and not usable_key(values):
        raise ValidationFailedError(
            "Idempotency-Key must be sent once, as 1 to 255 visible ASCII characters.", code="invalid_idempotency_key"
        )
    return values[0] if values else None
