"""/orgs/:orgId/agents and /agents/:id for people, /agents for tokens, and the agent's own heartbeat and identity."""

import contextlib
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from deplite.kube.errors import KubeError
from deplite.resources import Agent
from deplite_apiserver.agents import service
from deplite_apiserver.agents.schemas import AgentPatch, AgentShape, shape_of
from deplite_apiserver.auth.dependencies import Person, SigningAgent
from deplite_apiserver.context import Context, Ctx
from deplite_apiserver.edge.body import Closed, json_body
from deplite_apiserver.edge.pages import DEFAULT_LIMIT, Cursor, Limit, page
from deplite_apiserver.errors import UnavailableError
from deplite_apiserver.lookup import agent_by_id
from deplite_apiserver.ownership import Force, refuse_managed_in_git
from deplite_apiserver.tokens.grants import granted_workflows
from deplite_apiserver.tokens.reads import ReadingToken

router = APIRouter(tags=["Agent"])


class Identity(Closed):
    """PATCH /agent/identity."""

    hostname: str | None = Field(default=None, max_length=253)
    os: str | None = Field(default=None, max_length=128)
    agent_version: str | None = Field(default=None, max_length=64)


def _shown(context: Context, agent: Agent) -> AgentShape:
    return shape_of(agent, context.desk.presence.last_seen(agent.key))


@router.get("/orgs/{org_id}/agents")
async def list_agents(
    org_id: str,
    context: Ctx,
    caller: Person,
    request: Request,
    response: Response,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> list[AgentShape]:
    """List the organization's agents, newest first."""
    agents = context.caches.agents
    found = agents.by("namespace", org_id)
    if not found:  # the first one may have enrolled at another replica a moment ago
        with contextlib.suppress(KubeError, UnavailableError):
            found = await context.caches.find(agents, lambda: agents.by("namespace", org_id) or None) or []
    return [_shown(context, agent) for agent in page(found, request, response, limit=limit, cursor=cursor)]


@router.get("/agents")
async def list_granted_agents(context: Ctx, caller: ReadingToken) -> list[AgentShape]:
    """List the agents in the calling token's grants, newest first."""
    namespace = caller.token.namespace
    granted = granted_workflows(caller.token, context.caches.triggers.by("namespace", namespace))
    found = [agent for agent in context.caches.agents.by("namespace", namespace) if agent.name in granted]
    return sorted(
        (_shown(context, agent) for agent in found), key=lambda shape: (str(shape.created_at), shape.id), reverse=True
    )


@router.get("/agents/{agent_id}")
async def get_agent(agent_id: str, context: Ctx, caller: Person) -> AgentShape:
    """Show one agent."""
    agent = await agent_by_id(context, agent_id)
    return _shown(context, agent)


@router.patch("/agents/{agent_id}")
async def change_agent(
    agent_id: str,
    context: Ctx,
    caller: Person,
    body: Annotated[AgentPatch, Depends(json_body(AgentPatch))],
    force: Force = False,
) -> AgentShape:
    """Rename or suspend an agent."""
    agent = await agent_by_id(context, agent_id)
    refuse_managed_in_git(agent, force=force)
    fields: dict[str, Any] = {"displayName": body.name} if body.name is not None else {}
    fields |= {"suspended": body.suspended} if body.suspended is not None else {}
    return _shown(context, await service.change(context, agent, fields) if fields else agent)


@router.delete("/agents/{agent_id}", status_code=204)
async def revoke_agent(agent_id: str, context: Ctx, caller: Person) -> None:
    """Revoke an agent for good; it stays listed as revoked for 30 days."""
    agent = await agent_by_id(context, agent_id)
    await service.revoke(context, agent)


@router.post("/agent/heartbeat", status_code=204)
async def heartbeat(caller: SigningAgent) -> None:
    """Take a sign of life; the signature check has noted it, and nothing is written."""


@router.patch("/agent/identity", status_code=204)
async def update_identity(
    context: Ctx, caller: SigningAgent, body: Annotated[Identity, Depends(json_body(Identity))]
) -> None:
    """Take over what the machine says it is."""
    fields = body.model_dump(by_alias=True, exclude_unset=True)
    if caller.pod is not None:
        fields.pop("hostname", None)  # that of a pod says nothing; the node's name is there since it enrolled
    await service.write_report(context, caller, "identityTimestamp", fields)
