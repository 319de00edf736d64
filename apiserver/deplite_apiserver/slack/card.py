"""The message in Slack that shows a job, as it stands now. Pure; whatever somebody else said goes through `mrkdwn`.

The values of params are never shown: nobody knows which of them are secrets.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deplite.resources.deployjob import DeployJob, Requester
from deplite_apiserver.jobs.steps import Step
from deplite_apiserver.jobs.waiting import Waiting
from deplite_apiserver.slack import blocks
from deplite_apiserver.slack.blocks import Block
from deplite_apiserver.slack.mrkdwn import code, code_block, link, plain, sentence
from deplite_apiserver.slack.wording import complaint, last_event, state, story

CANCEL, RERUN = "deplite_cancel", "deplite_rerun"
"""Action ids of the buttons; their value is the job's id."""
NAME_LIMIT, FIELD_LIMIT, MESSAGE_LIMIT, OUTPUT_LIMIT = 100, 500, 700, 1800
"""UTF-16 units; Slack takes 2000 in a field and 3000 in a section."""
MAX_OUTPUTS = 30


@dataclass(frozen=True, kw_only=True)
class Around:
    """What a card says that is not in the job itself."""

    title: str
    """What people call the trigger, or the workflow of a job without one."""
    agent: str
    """What people call the agent."""
    url: str
    """Where REST shows the job."""
    waiting: Waiting | None = None
    step: Step | None = None
    """What it was last heard doing."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """A message."""

    text: str
    """For notifications and screen readers, which do not look at the blocks."""
    blocks: list[Block]


def card(job: DeployJob, around: Around) -> Card:
    """Return the message that shows a job as it is."""
    icon, word = state(job.status.phase, job.status.reason)
    told = story(job, around.waiting, around.step)
    made = [
        blocks.header(f"{icon} {plain(around.title, NAME_LIMIT) or '-'}: {word}"),
        blocks.fields(_fields(job, around)),
        blocks.section(told),
        *_details(job),
        blocks.footnote(f"{link(around.url, 'All about this job')}  {last_event(job)}".strip()),
    ]
    if (button := _button(job)) is not None:
        made.append(blocks.actions(button))
    ref = f" at {code(job.spec.ref, FIELD_LIMIT)}" if job.spec.ref is not None else ""
    return Card(text=f"{sentence(around.title, NAME_LIMIT) or '-'}{ref}: {word}. {told}", blocks=made)


def _fields(job: DeployJob, around: Around) -> list[str]:
    spec = job.spec
    fields = [("Workflow", code(spec.workflow, FIELD_LIMIT)), ("Agent", code(around.agent, FIELD_LIMIT))]
    if spec.ref is not None:
        fields.append(("Ref", code(spec.ref, FIELD_LIMIT)))
    fields.append(("Asked for by", _asker(spec.requested_by)))
    fields.append(("Job", code(job.name, FIELD_LIMIT)))
    return [f"*{name}*\n{value}" for name, value in fields]


def _asker(who: Requester) -> str:
    match who.kind:
        case "token":
            return f"API token {code(who.name or who.id, FIELD_LIMIT)}"
        case "schedule":
            return f"its schedule, {code(who.name, FIELD_LIMIT)}"
        case "user" | "slack":
            return code(who.name or who.id.rpartition("#")[2], FIELD_LIMIT)
        case "kubernetes":
            return "the cluster"


def _details(job: DeployJob) -> list[Block]:
    made = []
    if told := complaint(job):
        made.append(blocks.section(code_block(told, MESSAGE_LIMIT)))
    if job.status.phase.finished and job.status.output:
        made.append(blocks.section(code_block(_outputs(job.status.output), OUTPUT_LIMIT)))
    return made


def _outputs(output: Mapping[str, Any]) -> str:
    lines = [f"{name} = {_value(value)}" for name, value in list(output.items())[:MAX_OUTPUTS]]
    left = len(output) - MAX_OUTPUTS
    return "\n".join([*lines, f"and {left} more"] if left > 0 else lines)


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _button(job: DeployJob) -> Block | None:
    if job.status.phase.finished:
        return blocks.button("Run again", RERUN, job.name) if job.spec.trigger is not None else None
    if job.spec.cancel is not None:
        return None
    return blocks.confirmed(
        blocks.button("Cancel", CANCEL, job.name),
        title="Cancel this run?",
        text="A step that runs is told to stop; what it has done already is not undone.",
        confirm="Cancel the run",
        deny="Let it go on",
    )
