"""What people call triggers and agents, and where REST shows a job."""

from deplite.resources.deployjob import DeployJob
from deplite_apiserver.caches import Caches


def title_of(caches: Caches, job: DeployJob) -> str:
    """Return what people call the trigger of a job, or its workflow where it has none."""
    spec = job.spec
    trigger = caches.triggers.get(job.namespace, spec.trigger) if spec.trigger else None
    return (trigger.spec.display_name if trigger else None) or spec.trigger or spec.workflow


def agent_of(caches: Caches, job: DeployJob) -> str:
    """Return what people call the agent of a job."""
    agent = caches.agents.get(job.namespace, job.spec.agent)
    return (agent.spec.display_name if agent else None) or job.spec.agent


def agent_names(caches: Caches, organization: str) -> dict[str, str]:
    """Return what people call the agents of an organization, by object name."""
    found = caches.agents.by("namespace", organization)
    return {one.name: one.spec.display_name or one.name for one in found}


def job_url(public_url: str, job: DeployJob) -> str:
    """Return where REST shows a job."""
    return f"{public_url}/api/jobs/{job.name}"
