"""/orgs/:orgId/agents/enroll-tokens for owners, and /agent/enroll for machines."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from deplite.resources import EnrollmentToken
from deplite.resources.identifiers import object_id
from deplite_apiserver.audit.entry import Audited
from deplite_apiserver.auth.callers import PodCaller
from deplite_apiserver.auth.dependencies import Enrolling, Person
from deplite_apiserver.context import Ctx
from deplite_apiserver.edge.body import json_body
from deplite_apiserver.edge.pages import DEFAULT_LIMIT, Cursor, Limit, page
from deplite_apiserver.edge.source import client_address
from deplite_apiserver.enrollment import service
from deplite_apiserver.enrollment.pods import enroll_pod
from deplite_apiserver.enrollment.schemas import (
    CodeCreate,
    CodeShape,
    EnrollRequest,
    EnrollShape,
    MintedCodeShape,
    code_fields,
)
from deplite_apiserver.lookup import agent_id_of, code_by_id
from deplite_apiserver.ownership import Force, refuse_managed_in_git

router = APIRouter(tags=["Enrolment"])


@router.post("/orgs/{org_id}/agents/enroll-tokens", status_code=201)
async def mint_code(
    org_id: str,
    context: Ctx,
    caller: Person,
    audited: Audited,
    body: Annotated[CodeCreate, Depends(json_body(CodeCreate))],
) -> MintedCodeShape:
    """Mint an enrolment code; `token` is shown this once."""
    code, credential = await service.mint_code(context, org_id, body)
    audited.made(object_id("enr", *code.key))
    return MintedCodeShape.model_validate(code_fields(code) | {"token": credential.plain})


@router.get("/orgs/{org_id}/agents/enroll-tokens")
async def list_codes(
    org_id: str,
    context: Ctx,
    caller: Person,
    request: Request,
    response: Response,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> list[CodeShape]:
    """List the organization's enrolment codes, newest first."""
    found = context.caches.enrollments.by("namespace", org_id)
    shown = page(found, request, response, limit=limit, cursor=cursor)
    return [CodeShape.model_validate(code_fields(code)) for code in shown]


@router.delete("/orgs/{org_id}/agents/enroll-tokens/{code_id}", status_code=204)
async def revoke_code(org_id: str, code_id: str, context: Ctx, caller: Person, force: Force = False) -> None:
    """Revoke an enrolment code; agents that enrolled with it stay."""
    code = await code_by_id(context, org_id, code_id)
    refuse_managed_in_git(code, force=force)
    await context.kube.delete(EnrollmentToken, *code.key, uid=code.metadata.uid)
    context.caches.enrollments.forget(*code.key, code.metadata.uid)


@router.post("/agent/enroll", status_code=201)
async def enroll(
    request: Request,
    context: Ctx,
    caller: Enrolling,
    audited: Audited,
    body: Annotated[EnrollRequest, Depends(json_body(EnrollRequest))],
) -> EnrollShape:
    """Enrol a machine, or a pod of an agent pool: its public key becomes an agent's."""
    source = client_address(request)
    if isinstance(caller, PodCaller):
        agent = await enroll_pod(context, caller, body, source=source)
    else:
        agent = await service.enroll(context, caller.enrollment, body, source=source)
    audited.made(agent_id_of(*agent.key))
    return EnrollShape(
        agent_id=agent_id_of(*agent.key),
        organization_id=agent.namespace,
        server_public_key=context.server_keys.current_public_pem,
    )
