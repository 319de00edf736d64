"""Changing and revoking agents, and what agents say of themselves."""

from collections.abc import Mapping
from typing import Any

from deplite.kube.errors import ConflictError as StaleError
from deplite.resources import Agent
from deplite_apiserver.auth.callers import AgentCaller
from deplite_apiserver.context import Context
from deplite_apiserver.errors import AgentAuthError, PreconditionFailedError

_TRIES = 5


async def change(context: Context, agent: Agent, fields: Mapping[str, Any]) -> Agent:
    """Merge fields into an agent's spec."""
    changed = await context.kube.patch(Agent, *agent.key, {"spec": dict(fields)})
    context.caches.agents.note(changed)
    return changed


async def revoke(context: Context, agent: Agent) -> None:
    """End an agent for good: its stream is told and closed, its jobs end, its calls get 401."""
    await change(context, agent, {"revoked": True})
    context.desk.revoked(agent.key)


async def write_report(context: Context, caller: AgentCaller, stamp: str, fields: Mapping[str, Any]) -> Agent:
    """Write what an agent reports of itself, unless it is older than what it reported before.

    Args:
        context: the context.
        caller: the agent.
        stamp: the status field that keeps the timestamp of the last accepted report of this kind.
        fields: the status fields to write; null removes.

    Raises:
        AgentAuthError: `nonce_replayed`: the request was signed earlier than one that was accepted. Nonces of a single
            replica die with it; this is what a replay after a restart meets.
    """
    agent = caller.agent
    for _ in range(_TRIES):
        accepted = agent.status.wire().get(stamp)
        if accepted is not None and caller.timestamp < accepted:
            raise AgentAuthError("This report is older than one that was accepted.", code="nonce_replayed")
        body = {stamp: caller.timestamp} | dict(fields)
        try:
            written = await context.kube.patch_status(Agent, *agent.key, body, version=agent.metadata.resource_version)
        except StaleError:
            agent = await context.kube.get(Agent, *agent.key)
            continue
        context.caches.agents.note(written)
        return written
    raise PreconditionFailedError
