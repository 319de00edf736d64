"""Whether a job may be sent: asked again before each sending, for jobs are also made with kubectl. Pure."""

from collections.abc import Mapping

from deplite.errors import DepliteError
from deplite.protocol.errors import InvalidRefError
from deplite.protocol.params import ParamError, ParamValue, check_bounds, resolve
from deplite.protocol.refs import check_ref, ref_allowed
from deplite.resources.agent import Agent
from deplite.resources.trigger import Trigger
from deplite_apiserver.jobs.view import LiveJob


class NotSendableError(DepliteError):
    """The job must not be sent; the text is one sentence that says why."""


def sendable_params(job: LiveJob, agent: Agent, trigger: Trigger | None) -> Mapping[str, ParamValue]:
    """Return the params that a job is sent with.

    Args:
        job: the unclaimed job.
        agent: its agent.
        trigger: its trigger; None where it names none, or that was deleted since: its jobs go on.

    Raises:
        NotSendableError: the job must not be sent.
    """
    reason = _ref_refusal(job) or (_trigger_refusal(job, trigger) if trigger else None)
    if reason is not None:
        raise NotSendableError(reason)
    if agent.spec.suspended:
        raise NotSendableError("The agent is suspended; resume it and run again.")
    reported = agent.workflow(job.workflow)
    if reported is None:
        raise NotSendableError(f"The agent has not reported a workflow named {job.workflow}.")
    try:
        return resolve(check_bounds(dict(job.params)), reported.get("params"))
    except ParamError as error:
        raise NotSendableError(str(error)) from None


def _ref_refusal(job: LiveJob) -> str | None:
    try:
        if job.ref is not None:
            check_ref(job.ref)
    except InvalidRefError as error:
        return str(error)
    return None


def _trigger_refusal(job: LiveJob, trigger: Trigger) -> str | None:
    spec = trigger.spec
    if spec.suspended:
        return "The trigger is suspended; resume it and run again."
    if spec.agent != job.agent:
        return "The trigger is for another agent than the job names."
    if spec.scope == "workflow" and spec.workflow != job.workflow:
        return "The trigger is for another workflow than the job names."
    if not ref_allowed(job.ref, spec.allowed_refs):
        return "The trigger's allowedRefs do not include the job's ref."
    return None
