"""/orgs/:orgId/triggers and /triggers/:id; the runs are in `jobs.endpoints`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response

from deplite.resources import Trigger
from deplite_apiserver.audit.entry import Audited
from deplite_apiserver.auth.dependencies import Person
from deplite_apiserver.context import Ctx
from deplite_apiserver.edge.body import json_body
from deplite_apiserver.edge.pages import DEFAULT_LIMIT, Cursor, Limit, page
from deplite_apiserver.lookup import trigger_by_id, trigger_id_of
from deplite_apiserver.ownership import Force, refuse_managed_in_git
from deplite_apiserver.triggers import service
from deplite_apiserver.triggers.schemas import TriggerCreate, TriggerPatch, TriggerShape, shape_of

router = APIRouter(tags=["Trigger"])


def _shown(context: Ctx, response: Response, trigger: Trigger) -> TriggerShape:
    response.headers["ETag"] = f'"{trigger.metadata.resource_version}"'
    return shape_of(trigger, context.settings.public_url)


def _versions(if_match: str | None) -> frozenset[str] | None:
    """Return the versions that a change may be made to; None: any."""
    if if_match is None or if_match.strip() == "*":
        return None
    return frozenset(one.strip().removeprefix("W/").strip('"') for one in if_match.split(","))


@router.get("/orgs/{org_id}/triggers")
async def list_triggers(
    org_id: str,
    context: Ctx,
    caller: Person,
    request: Request,
    response: Response,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> list[TriggerShape]:
    """List the organization's triggers, newest first."""
    found = context.caches.triggers.by("namespace", org_id)
    shown = page(found, request, response, limit=limit, cursor=cursor)
    return [shape_of(trigger, context.settings.public_url) for trigger in shown]


@router.post("/orgs/{org_id}/triggers", status_code=201)
async def create_trigger(
    org_id: str,
    context: Ctx,
    caller: Person,
    audited: Audited,
    response: Response,
    body: Annotated[TriggerCreate, Depends(json_body(TriggerCreate))],
) -> TriggerShape:
    """Create a trigger."""
    trigger = await service.create(context, org_id, body)
    audited.made(trigger_id_of(*trigger.key))
    return _shown(context, response, trigger)


@router.get("/triggers/{trigger_id}")
async def get_trigger(trigger_id: str, context: Ctx, caller: Person, response: Response) -> TriggerShape:
    """Show one trigger."""
    trigger = await trigger_by_id(context, trigger_id)
    return _shown(context, response, trigger)


@router.patch("/triggers/{trigger_id}")
async def change_trigger(
    trigger_id: str,
    context: Ctx,
    caller: Person,
    response: Response,
    body: Annotated[TriggerPatch, Depends(json_body(TriggerPatch))],
    force: Force = False,
    if_match: Annotated[str | None, Header()] = None,
) -> TriggerShape:
    """Change a trigger."""
    trigger = await trigger_by_id(context, trigger_id)
    refuse_managed_in_git(trigger, force=force)
    return _shown(context, response, await service.change(context, trigger, body, _versions(if_match)))


@router.delete("/triggers/{trigger_id}", status_code=204)
async def delete_trigger(trigger_id: str, context: Ctx, caller: Person, force: Force = False) -> None:
    """Delete a trigger; its jobs stay."""
    trigger = await trigger_by_id(context, trigger_id)
    refuse_managed_in_git(trigger, force=force)
    await service.remove(context, trigger)
