"""AgentPool -> ServiceAccount, DaemonSet, conditions; and no agents of nodes that are gone."""

from dataclasses import replace

from deplite.kube.errors import ConflictError, ForbiddenError, NotFoundError
from deplite.resources import Agent, AgentPool
from deplite_operator.context import Context
from deplite_operator.policies.agentpool import PoolFacts, daemon_set_facts, departed, judge_agent_pool, unexplained
from deplite_operator.policies.daemonset import image_of
from deplite_operator.policies.events import agent_removed
from deplite_operator.policies.poolobstacles import pools_forbidden, pools_unavailable
from deplite_operator.pooling import make
from deplite_operator.settings import AgentPods
from deplite_operator.telling import tell_of
from deplite_operator.verdict import Verdict
from deplite_operator.workloads import Workloads


async def agent_pool(context: Context, pool: AgentPool) -> Verdict:
    """Make what the pool needs, look at what has become of it, and judge it."""
    known = context.world.agents.by("pool", pool.key)
    facts = PoolFacts(agents={agent.name: agent for agent in known if pool.controls(agent.metadata)})
    if context.settings.agents is None:
        return judge_agent_pool(pool, replace(facts, obstacle=pools_unavailable()))
    try:
        return await _looked_at(context, pool, facts, context.settings.agents)
    except ForbiddenError:
        obstacle = pools_forbidden(pool.namespace, context.settings.system_namespace)
        return judge_agent_pool(pool, replace(facts, obstacle=obstacle))


async def _looked_at(context: Context, pool: AgentPool, facts: PoolFacts, release: AgentPods) -> Verdict:
    work = Workloads(context.kube)
    made = await make(work, pool, release, context.settings.system_namespace, context.now())
    facts = replace(
        facts,
        image=image_of(pool, release),
        account=made.account,
        daemon_set=None if made.daemon_set is None else daemon_set_facts(made.daemon_set),
        pods=made.pods,
        obstacle=made.obstacle,
    )
    about = unexplained(facts)
    told = "" if about is None else await work.warning(pool.namespace, about)
    for agent in departed(pool, facts, context.now()):
        await _remove(context, pool, agent)
    return judge_agent_pool(pool, facts, told)


async def _remove(context: Context, pool: AgentPool, agent: Agent) -> None:
    uid, version = agent.metadata.uid, agent.metadata.resource_version
    try:
        await context.kube.delete(Agent, *agent.key, uid=uid, version=version)
    except (ConflictError, NotFoundError):
        return  # it has come back, or is gone: the watch tells
    await tell_of(context, pool, agent_removed(pool, agent, context.now()))
