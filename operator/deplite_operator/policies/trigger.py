"""What is true of a Trigger: whether firing it would start something."""

from deplite.resources import Trigger
from deplite.resources.cron import schedule_problem
from deplite.resources.identifiers import object_id
from deplite.resources.reasons import (
    AGENT_NOT_ENROLLED,
    AGENT_NOT_FOUND,
    AGENT_REVOKED,
    AVAILABLE,
    INVALID_SCHEDULE,
    SUSPENDED,
    WORKFLOW_NOT_REPORTED,
)
from deplite_operator.conditions import Finding, not_ready, ready, stalled
from deplite_operator.policies.agent import AgentFacts
from deplite_operator.verdict import Verdict


def judge_trigger(trigger: Trigger, agent: AgentFacts | None, public_url: str) -> Verdict:
    """Say id, webhook URL and Ready.

    Args:
        trigger: the trigger.
        agent: the facts of the Agent that it names, None where there is none.
        public_url: what the webhook's URL begins with, without a slash at the end.
    """
    id_ = object_id("tr", trigger.namespace, trigger.name)
    return Verdict(findings=(_ready(trigger, agent),), fields={"id": id_, "url": f"{public_url}/triggers/{id_}/run"})


def _ready(trigger: Trigger, agent: AgentFacts | None) -> Finding:
    name, workflow = trigger.spec.agent, trigger.spec.workflow
    if trigger.spec.suspended:
        return not_ready(SUSPENDED, "The trigger is suspended; set spec.suspended to false to let it fire.")
    if trigger.spec.schedule is not None and (problem := schedule_problem(trigger.spec.schedule)):
        return stalled(INVALID_SCHEDULE, f"spec.schedule.{problem}.")
    if agent is None:
        return not_ready(AGENT_NOT_FOUND, f"There is no Agent {name} in this namespace; create it or name another.")
    if agent.revoked:
        return stalled(AGENT_REVOKED, f"Agent {name} was revoked; name another one.")
    if agent.suspended:
        return not_ready(SUSPENDED, f"Agent {name} is suspended; set its spec.suspended to false.")
    if not agent.enrolled:
        return not_ready(AGENT_NOT_ENROLLED, f"No machine has enrolled as Agent {name} yet.")
    if trigger.spec.scope == "workflow" and workflow not in agent.workflows:
        return not_ready(
            WORKFLOW_NOT_REPORTED, f"Agent {name} has not reported a workflow {workflow}; put its file there."
        )
    return ready(AVAILABLE, "The trigger can be fired.")
