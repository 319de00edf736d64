"""Whether a run is accepted, and as what: a pure decision over gathered facts.

The order of refusals is part of the API: 404, 403 (`token_scope`, `trigger_suspended`, `agent_suspended`,
`trigger_type`, `ref_not_allowed`), 422. A ref that is none is 422 before it is asked whether it is allowed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deplite.protocol.errors import InvalidRefError
from deplite.protocol.params import ParamError, ParamValue, check_bounds, resolve
from deplite.protocol.refs import check_ref, ref_allowed
from deplite.resources.agent import Agent
from deplite.resources.apitoken import Grant
from deplite.resources.deployjob import KEYED_TTL_SECONDS, DeployJob, DeployJobSpec, Requester
from deplite.resources.notify import Notify
from deplite.resources.resource import CREATED_BY_LABEL, Meta
from deplite.resources.trigger import Trigger
from deplite_apiserver.edge.body import printable
from deplite_apiserver.errors import RefusedError, TokenScopeError, ValidationFailedError
from deplite_apiserver.jobs.request import RunRequest
from deplite_apiserver.tokens.grants import reaches

MAX_CALLER_ID = 512
MAX_CALLER_NAME = 128


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a run is decided on."""

    trigger: Trigger
    agent: Agent | None
    """The trigger's agent; None where there is no such object."""
    requester: Requester
    grants: Sequence[Grant] | None
    """The caller's grants; None for people, whom membership has already admitted."""
    manual: bool
    """By a person or by its schedule, not by webhook."""
    asked_at: datetime | None = None
    """When it was asked for; the place of the job in its concurrency group."""
    notify: Notify | None = None
    """Where people are told of this run; None: as its trigger says."""


@dataclass(frozen=True, kw_only=True)
class Naming:
    """What the job is called, and the fingerprint of a request with an idempotency key."""

    job_id: str
    fingerprint: str | None


def accept(facts: Facts, request: RunRequest, naming: Naming) -> DeployJob:
    """Return the job that a request becomes.

    Raises:
        TokenScopeError: the token has no grant for the trigger.
        RefusedError: a rule of trigger or agent refuses it.
        ValidationFailedError: the request is wrong, or the agent cannot run it.
    """
    trigger = facts.trigger
    check_granted(facts)
    check_open(facts)
    ref = _ref(trigger, request.ref)
    agent = _usable(facts.agent)
    workflow = _workflow_name(trigger, request.workflow_name)
    reported = agent.workflow(workflow)
    if reported is None:
        message = f"The agent has not reported a workflow named {printable(workflow)}."
        raise ValidationFailedError(message, code="unknown_workflow")
    params = _params(trigger.spec.params, request.params, reported.get("params"))
    return _job(facts, request, naming, workflow=workflow, ref=ref, params=params)


def check_granted(facts: Facts) -> None:
    """Check that the caller may run the trigger at all.

    Raises:
        TokenScopeError: none of the token's grants reaches it.
    """
    trigger = facts.trigger
    if facts.grants is not None and not reaches(facts.grants, trigger=trigger.name, agent=trigger.spec.agent):
        raise TokenScopeError


def check_open(facts: Facts) -> None:
    """Check that trigger and agent take runs of this sort now.

    Raises:
        RefusedError: one is suspended, or the trigger is of another type.
    """
    if facts.trigger.spec.suspended:
        raise RefusedError("The trigger is suspended; an owner can resume it.", code="trigger_suspended")
    if facts.agent is not None and facts.agent.spec.suspended:
        raise RefusedError("The agent is suspended; an owner can resume it.", code="agent_suspended")
    if not facts.manual and facts.trigger.spec.type != "webhook":
        raise RefusedError(f"A {facts.trigger.spec.type} trigger does not run by webhook.", code="trigger_type")


def _ref(trigger: Trigger, ref: str | None) -> str | None:
    try:
        checked = None if ref is None else check_ref(ref)
    except InvalidRefError as error:
        raise ValidationFailedError(str(error), code=error.code) from None
    if not ref_allowed(checked, trigger.spec.allowed_refs):
        raise RefusedError("The trigger's allowedRefs do not include this ref.", code="ref_not_allowed")
    return checked


def _usable(agent: Agent | None) -> Agent:
    if agent is None or agent.spec.revoked:
        raise ValidationFailedError("The trigger's agent does not exist any more.", code="agent_unavailable")
    return agent


def _workflow_name(trigger: Trigger, asked: str | None) -> str:
    if trigger.spec.scope == "agent":
        if asked is None:
            raise ValidationFailedError("workflowName is required: the trigger is for all workflows of its agent.")
        return asked
    own = trigger.spec.workflow
    if own is None or (asked is not None and asked != own):
        raise ValidationFailedError(f"workflowName must be {own}, the one of the trigger, or absent.")
    return own


def _params(
    defaults: Mapping[str, ParamValue], asked: Any, schema: Sequence[Mapping[str, Any]] | None
) -> dict[str, ParamValue]:
    try:
        check_bounds(asked)
        return resolve(check_bounds(dict(defaults) | asked), schema)
    except ParamError as error:
        raise ValidationFailedError(str(error)) from None


def _job(
    facts: Facts,
    request: RunRequest,
    naming: Naming,
    *,
    workflow: str,
    ref: str | None,
    params: dict[str, ParamValue],
) -> DeployJob:
    spec = facts.trigger.spec
    ttl = spec.ttl_seconds_after_finished
    requester = facts.requester.model_copy(
        update={"id": facts.requester.id[:MAX_CALLER_ID], "name": facts.requester.name[:MAX_CALLER_NAME]}
    )
    return DeployJob(
        metadata=Meta(name=naming.job_id, namespace=facts.trigger.namespace, labels={CREATED_BY_LABEL: "api"}),
        spec=DeployJobSpec(
            trigger=facts.trigger.name,
            agent=spec.agent,
            workflow=workflow,
            ref=ref,
            params=params,
            debug=request.debug,
            requested_by=requester,
            fingerprint=naming.fingerprint,
            **_concurrency(facts),
            notify=facts.notify or facts.trigger.spec.notify,
            queue_seconds=spec.timeouts.queue_seconds,
            job_seconds=spec.timeouts.job_seconds,
            ttl_seconds_after_finished=max(ttl, KEYED_TTL_SECONDS) if naming.fingerprint else ttl,
        ),
    )


def _concurrency(facts: Facts) -> dict[str, Any]:
    """Return what the job's spec says of its concurrency group: nothing where it has none."""
    concurrency = facts.trigger.spec.concurrency
    group = concurrency.group_of(facts.trigger.name)
    if group is None:
        return {}
    place = None if facts.asked_at is None else int(facts.asked_at.timestamp() * 1_000_000)
    return {"concurrency_group": group, "concurrency_policy": concurrency.policy, "concurrency_place": place}
