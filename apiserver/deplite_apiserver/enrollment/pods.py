"""A pod of an agent pool becomes the agent of its node: one compare-and-swap, then the end of its predecessor."""

import hashlib

from deplite.failpoints import failpoint
from deplite.kube.errors import AlreadyExistsError, NotFoundError
from deplite.kube.errors import ConflictError as StaleError
from deplite.resources import Agent
from deplite.resources.agent import AgentSpec
from deplite.resources.agentpool import POOL_LABEL, pool_agent_name
from deplite.resources.resource import CREATED_BY_LABEL, Meta, utc
from deplite_apiserver.auth.callers import PodCaller
from deplite_apiserver.context import Context
from deplite_apiserver.enrollment.keys import check_declared, usable_key
from deplite_apiserver.enrollment.schemas import EnrollRequest
from deplite_apiserver.enrollment.takeover import Claim, Replaced, Takeover, is_of, is_of_former, take_over
from deplite_apiserver.errors import ConflictError, PodReplacedError, UnavailableError

_TRIES = 10
_LONGEST_DISPLAY_NAME = 128


async def enroll_pod(context: Context, caller: PodCaller, body: EnrollRequest, *, source: str) -> Agent:
    """Return the Agent of a pool's node, which the pod's key belongs to from now on.

    When this returns, no job is running that another pod had claimed. Whoever dies before that leaves it to the pod's
    next try, or to the sweeper.

    Args:
        context: the collaborators.
        caller: the pod.
        body: what it says.
        source: its address, for the owners.

    Raises:
        PodReplacedError: another pod has taken the place of this one.
        ConflictError: the Agent's name is somebody else's.
        ValidationFailedError: the key is no Ed25519 public key, or the Agent was revoked or is pinned to another one.
        UnavailableError: others wrote at the same time, again and again; or a former pool's Agent is still there.
    """
    claim = Claim(
        pod=caller.pod,
        public_key=usable_key(body.public_key),
        server_key_id=context.server_keys.current_id,
        os=body.os,
        agent_version=body.agent_version,
    )
    agent, takeover = await _taken(context, caller, claim)
    failpoint("apiserver.enroll.pod_written")
    context.caches.agents.note(agent)
    await context.desk.replaced(agent)
    if takeover.patch:
        key_sha256 = hashlib.sha256(claim.public_key.encode()).hexdigest()
        context.notices.pod_enrolled(agent, caller.pool, key_sha256=key_sha256, source=source)
    return agent


async def _taken(context: Context, caller: PodCaller, claim: Claim) -> tuple[Agent, Takeover]:
    """Write who the agent is; says what that changed."""
    for _ in range(_TRIES):
        agent = await _agent(context, caller)
        _check_owner(agent, caller)
        check_declared(agent, claim.public_key)
        decision = take_over(agent, claim, utc(context.clock.now()))
        try:
            if decision.patch:
                version = agent.metadata.resource_version
                agent = await context.kube.patch_status(Agent, *agent.key, decision.patch, version=version)
        except (StaleError, NotFoundError):
            continue
        if isinstance(decision, Replaced):
            raise PodReplacedError
        return agent, decision
    raise UnavailableError("The agent changes all the time; try again.", retry_after=1)


async def _agent(context: Context, caller: PodCaller) -> Agent:
    """Return the Agent of the pool's node as it is in the cluster, made now if it is not there."""
    pool, node = caller.pool, caller.pod.node
    name = pool_agent_name(pool.name, node)
    try:
        return await context.kube.get(Agent, pool.namespace, name)
    except NotFoundError:
        context.room.for_object(pool.namespace)
    meta = Meta(
        name=name,
        namespace=pool.namespace,
        labels={CREATED_BY_LABEL: "api", POOL_LABEL: pool.name},
        owner_references=(pool.owning,),
    )
    spec = AgentSpec(display_name=f"{pool.name} on {node}"[:_LONGEST_DISPLAY_NAME])
    try:
        made = await context.kube.create(Agent(metadata=meta, spec=spec))
    except AlreadyExistsError:  # another replica was first; a race with its end is for the pod's next try
        return await context.kube.get(Agent, pool.namespace, name)
    failpoint("apiserver.enroll.pod_agent_made")
    return made


def _check_owner(agent: Agent, caller: PodCaller) -> None:
    if agent.metadata.deletion_timestamp is not None or is_of_former(agent, caller.pool):
        raise UnavailableError("An Agent that had this name is being deleted; try again.", retry_after=2)
    if not is_of(agent, caller.pool):
        message = "Another agent has the name of this pool's agent on this node; delete that one, or rename the pool."
        raise ConflictError(message, code="agent_name_taken")
