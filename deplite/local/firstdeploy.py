"""The deploy that `deplite up` runs: with a trigger and a token that it makes once, through the REST API."""

import json
from dataclasses import dataclass, field

from deplite.local.api import Api
from deplite.local.errors import LocalError
from deplite.local.layout import Layout, write_private
from deplite.local.progress import Steps

TRIGGER_NAME = "Deploy Prod"
TOKEN_NAME = "First steps"  # noqa: S105 (a display name)
WORKFLOW = "deploy-prod"
REF = "main"
PARAMS = {"replicas": "3"}
RUNS_PER_MINUTE = 10


@dataclass(frozen=True)
class Webhook:
    """What fires the example workflow."""

    trigger_id: str
    token: str = field(repr=False)


async def ensure_webhook(api: Api, layout: Layout, agent_id: str, trigger_id: str | None) -> Webhook:
    """Return the trigger and token of the first run, or new ones where they are gone.

    Args:
        api: calls as the owner.
        layout: where the token is kept.
        agent_id: the agent that shall run the workflow.
        trigger_id: the trigger of an earlier run, if there was one.
    """
    known = trigger_id if trigger_id is not None and await api.has_trigger(trigger_id) else None
    token = layout.token.read_text().strip() if layout.token.exists() else None
    if known is not None and token and await api.accepts(token):
        return Webhook(known, token)
    trigger = known or await api.create_trigger(TRIGGER_NAME, agent_id, WORKFLOW)
    fresh = await api.create_token(TOKEN_NAME, trigger, RUNS_PER_MINUTE)
    write_private(layout.token, fresh + "\n")
    return Webhook(trigger, fresh)


async def run_deploy(api: Api, webhook: Webhook, steps: Steps) -> None:
    """Fire the trigger, show the log as it comes, and the result.

    Raises:
        LocalError: the deploy failed; the sentence says why.
    """
    with steps.step(f"Deploy of {REF} by webhook") as step:
        job_id = await api.run(webhook.trigger_id, webhook.token, REF, PARAMS)
        async for line in api.follow(job_id, webhook.token):
            for text in line.content.splitlines():
                steps.log(line.step, text)
        job = await api.job(job_id, webhook.token)
        if job["status"] != "success":
            raise LocalError(f"the deploy failed ({job.get('reason')}): {job.get('errorMessage') or 'see its log'}")
        step.note = f"success, {json.dumps(job.get('output') or {})}"
