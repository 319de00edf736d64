"""The workflows of agents: reported by them, shown to people and tokens, limited by owners."""

import contextlib
import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from deplite.kube.errors import ConflictError as StaleError
from deplite.kube.errors import KubeError
from deplite.resources import Agent
from deplite.resources.agent import WorkflowRateLimit
from deplite_apiserver.agents.service import write_report
from deplite_apiserver.auth.dependencies import Person, SigningAgent
from deplite_apiserver.context import Context, Ctx
from deplite_apiserver.edge.body import json_body
from deplite_apiserver.errors import NotFoundError, PreconditionFailedError, ValidationFailedError
from deplite_apiserver.lookup import agent_by_id
from deplite_apiserver.ownership import Force, refuse_managed_in_git
from deplite_apiserver.tokens.grants import granted_workflows
from deplite_apiserver.tokens.reads import ReadingToken
from deplite_apiserver.workflows.schemas import (
    MAX_INVENTORY_BYTES,
    Counted,
    Inventory,
    RateLimitPatch,
    RateLimitShape,
    RefreshShape,
    WorkflowShape,
    shape_of,
)

router = APIRouter(tags=["Workflow"])

_TRIES = 5


@router.get("/agents/{agent_id}/workflows", response_model=None, responses={200: {"model": list[WorkflowShape]}})
async def list_workflows(agent_id: str, context: Ctx, caller: Person) -> list[dict[str, Any]]:
    """List what the agent reported of its workflows."""
    agent = await agent_by_id(context, agent_id)
    if not agent.status.workflows:  # another replica may have been told of them a moment ago
        with contextlib.suppress(KubeError):
            agent = await context.caches.reread(context.caches.agents, agent.key, agent.metadata.uid) or agent
    return [shape_of(agent, workflow) for workflow in agent.status.workflows]


@router.get("/workflows", response_model=None, responses={200: {"model": list[WorkflowShape]}})
async def list_granted_workflows(context: Ctx, caller: ReadingToken) -> list[dict[str, Any]]:
    """List the workflows in the calling token's grants."""
    namespace = caller.token.namespace
    granted = granted_workflows(caller.token, context.caches.triggers.by("namespace", namespace))
    return [
        shape_of(agent, workflow)
        for agent in sorted(context.caches.agents.by("namespace", namespace), key=lambda agent: agent.name)
        if agent.name in granted
        for workflow in agent.status.workflows
        if (names := granted[agent.name]) is None or workflow["name"] in names
    ]


@router.patch("/agents/{agent_id}/workflows/{name}/rate-limit")
async def limit_workflow(
    agent_id: str,
    name: str,
    context: Ctx,
    caller: Person,
    body: Annotated[RateLimitPatch, Depends(json_body(RateLimitPatch))],
    force: Force = False,
) -> RateLimitShape:
    """Limit the runs of one workflow, whoever starts them."""
    agent = await agent_by_id(context, agent_id)
    refuse_managed_in_git(agent, force=force)
    if agent.workflow(name) is None:
        raise NotFoundError
    limit = await _write_limit(context, agent, name, body)
    return RateLimitShape(
        workflow_name=name, per_minute=limit.per_minute, per_hour=limit.per_hour, per_day=limit.per_day
    )


async def _write_limit(context: Context, agent: Agent, name: str, body: RateLimitPatch) -> WorkflowRateLimit:
    for _ in range(_TRIES):
        limits = {limit.workflow: limit for limit in agent.spec.workflow_rate_limits}
        present = limits.get(name) or WorkflowRateLimit(workflow=name)
        limits[name] = present.model_copy(update=body.model_dump(exclude_unset=True))
        kept = [limit.wire() for limit in limits.values() if limit.per_minute or limit.per_hour or limit.per_day]
        try:
            changed = await context.kube.patch(
                Agent, *agent.key, {"spec": {"workflowRateLimits": kept}}, version=agent.metadata.resource_version
            )
        except StaleError:
            agent = await context.kube.get(Agent, *agent.key)
            continue
        context.caches.agents.note(changed)
        return limits[name]
    raise PreconditionFailedError


@router.post("/agents/{agent_id}/workflows/refresh", status_code=202)
async def refresh_workflows(agent_id: str, context: Ctx, caller: Person) -> RefreshShape:
    """Ask the agent to look at its workflow files again; one that is away does so when it connects."""
    agent = await agent_by_id(context, agent_id)
    return RefreshShape(requested=context.desk.sync_workflows(agent.key))


@router.post("/agent/workflows/report")
async def report_workflows(
    context: Ctx, caller: SigningAgent, body: Annotated[Inventory, Depends(json_body(Inventory))]
) -> Counted:
    """Take over the agent's inventory, which replaces the one before."""
    workflows = [workflow.model_dump(mode="json", by_alias=True, exclude_none=True) for workflow in body.workflows]
    if len(json.dumps(workflows, ensure_ascii=False).encode()) > MAX_INVENTORY_BYTES:
        raise ValidationFailedError(f"workflows: may have at most {MAX_INVENTORY_BYTES} bytes together.")
    await write_report(context, caller, "workflowsTimestamp", {"workflows": workflows})
    return Counted(count=len(workflows))
