"""Whether a job may be sent: asked again before each sending, for jobs are also made with kubectl. Pure."""

from deplite.protocol.errors import InvalidRefError
from deplite.protocol.refs import check_ref, ref_allowed
from deplite.resources.agent import Agent
from deplite.resources.trigger import Trigger
from deplite_apiserver.jobs.params import ParamError, check_bounds, resolve
from deplite_apiserver.jobs.view import LiveJob


def refusal(job: LiveJob, agent: Agent, trigger: Trigger | None) -> str | None:
    """Return why a job must not be sent, as one sentence; None where it may.

    Args:
        job: the unclaimed job.
        agent: its agent.
        trigger: its trigger; None where it names none, or that was deleted since: its jobs go on.
    """
    return _wrong_ref(job) or (_against_trigger(job, trigger) if trigger else None) or _against_agent(job, agent)


def _wrong_ref(job: LiveJob) -> str | None:
    try:
        if job.ref is not None:
            check_ref(job.ref)
    except InvalidRefError as error:
        return str(error)
    return None


def _against_trigger(job: LiveJob, trigger: Trigger) -> str | None:
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


def _against_agent(job: LiveJob, agent: Agent) -> str | None:
    if agent.spec.suspended:
        return "The agent is suspended; resume it and run again."
    reported = agent.workflow(job.workflow)
    if reported is None:
        return f"The agent has not reported a workflow named {job.workflow}."
    try:
        resolve(check_bounds(dict(job.params)), reported.get("params"))
    except ParamError as error:
        return str(error)
    return None
