"""Which rate limits a run counts against, and how their windows survive a restart."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from deplite.resources.agent import Agent
from deplite.resources.apitoken import ApiToken
from deplite.resources.identifiers import object_id
from deplite_apiserver.jobs.view import JobView
from deplite_apiserver.limits.windows import Quota, quotas

LONGEST_WINDOW = timedelta(days=1)


def run_quotas(token: ApiToken | None, agent: Agent | None, workflow: str) -> tuple[Quota, ...]:
    """Return the quotas of a run: those of its token, and those that the agent's owner set for the workflow."""
    found: tuple[Quota, ...] = ()
    if token is not None:
        found += quotas(token_key(object_id("tok", *token.key)), "token", token.spec.rate_limit)
    if agent is not None:
        for limit in agent.spec.workflow_rate_limits:
            if limit.workflow == workflow:
                found += quotas(workflow_key(agent.namespace, agent.name, workflow), "workflow", limit)
    return found


def token_key(token_id: str) -> str:
    """Return the counter of the runs of a token."""
    return f"token:{token_id}"


def workflow_key(namespace: str, agent: str, workflow: str) -> str:
    """Return the counter of the runs of a workflow."""
    return f"workflow:{namespace}/{agent}/{workflow}"


def seed(jobs: Iterable[JobView], count: Callable[[str, datetime], None], now: datetime) -> None:
    """Count the runs of the last day that happened before this process started.

    Args:
        jobs: all jobs.
        count: counts one use of a key at a moment.
        now: the present moment.
    """
    for job in jobs:
        if now - job.created_at < LONGEST_WINDOW:
            count(workflow_key(job.namespace, job.agent, job.workflow), job.created_at)
            if job.token is not None:
                count(token_key(job.token), job.created_at)
