"""The message in Slack that shows a job, as it stands now. Pure; whatever somebody else said goes through `mrkdwn`.

The values of params are never shown: nobody knows which of them are secrets.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deplite.protocol.phases import Phase, Reason
from deplite.resources.deployjob import DeployJob, Requester
from deplite_apiserver.jobs.steps import Step
from deplite_apiserver.jobs.waiting import Waiting
from deplite_apiserver.slack.mrkdwn import code, code_block, plain, sentence
from deplite_apiserver.slack.texts import duration, moment

CANCEL, RERUN = "deplite_cancel", "deplite_rerun"
"""Action ids of the buttons; their value is the job's id."""
HEADER_LIMIT, NAME_LIMIT, FIELD_LIMIT, MESSAGE_LIMIT, OUTPUT_LIMIT = 150, 100, 500, 700, 1800
"""UTF-16 units; Slack takes 150 in a header, 2000 in a field and 3000 in a section."""
MAX_OUTPUTS = 30

Block = dict[str, Any]

_STATES = {
    Phase.QUEUED: (":hourglass_flowing_sand:", "queued"),
    Phase.RUNNING: (":arrow_forward:", "running"),
    Phase.SUCCEEDED: (":white_check_mark:", "succeeded"),
    Phase.FAILED: (":x:", "failed"),
}
_STOPPED: Mapping[Reason, tuple[str, str]] = {
    Reason.CANCELLED: (":no_entry_sign:", "cancelled"),
    Reason.SUPERSEDED: (":no_entry_sign:", "superseded"),
    Reason.REJECTED: (":x:", "refused"),
}
_WAITS: Mapping[Waiting | None, str] = {
    Waiting.CONCURRENCY_GROUP: "It waits for the older runs of its concurrency group.",
    Waiting.AGENT_OFFLINE: "It waits for its agent, which is not connected.",
    Waiting.AGENT_CLAIM: "Its agent has it, and has not begun yet.",
    None: "It waits for its agent.",
}
_ENDS: Mapping[Reason, str] = {
    Reason.EXIT_CODE: "A step failed.",
    Reason.TIMEOUT: "It did not end in the time that its trigger allows.",
    Reason.REJECTED: "The agent refused to run it.",
    Reason.CANCELLED: "It was cancelled.",
    Reason.SUPERSEDED: "A newer run took its place.",
    Reason.AGENT_LOST: "The agent fell silent while it ran. What it had done until then is done.",
    Reason.AGENT_CRASHED: "The agent crashed while it ran. What it had done until then is done.",
    Reason.AGENT_REVOKED: "The agent was revoked before it began.",
    Reason.EXPIRED: "No agent took it in time.",
}


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
    """For notifications, and where blocks are not shown."""
    blocks: list[Block]


def card(job: DeployJob, around: Around) -> Card:
    """Return the message that shows a job as it is."""
    icon, state = _state(job)
    title = plain(around.title, NAME_LIMIT) or "-"
    said = _said(job, around)
    blocks: list[Block] = [
        {"type": "header", "text": _plain(f"{icon} {title}: {state}", HEADER_LIMIT)},
        {"type": "section", "fields": [_mrkdwn(field) for field in _fields(job, around)]},
        {"type": "section", "text": _mrkdwn(said)},
        *_details(job),
        {"type": "context", "elements": [_mrkdwn(_foot(job, around))]},
    ]
    if buttons := _buttons(job):
        blocks.append({"type": "actions", "elements": buttons})
    return Card(text=f"{sentence(around.title, NAME_LIMIT) or '-'}: {state}. {_first(said)}", blocks=blocks)


def _state(job: DeployJob) -> tuple[str, str]:
    status = job.status
    stopped = _STOPPED.get(status.reason) if status.reason is not None and status.phase is Phase.FAILED else None
    return stopped or _STATES[status.phase]


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


def _said(job: DeployJob, around: Around) -> str:
    """Return what happens, or how it ended, in one or two plain sentences."""
    status = job.status
    match status.phase:
        case Phase.QUEUED:
            said = _WAITS[around.waiting]
        case Phase.RUNNING:
            said = _running(status.started_at, around.step)
        case Phase.SUCCEEDED:
            return f"It succeeded{_lasted(job)}."
        case Phase.FAILED:
            return _failed(job)
    return f"{said} It has been asked to stop." if job.spec.cancel is not None else said


def _running(since: datetime | None, step: Step | None) -> str:
    begun = f" since {moment(since)}" if since else ""
    if step is None:
        return f"It runs{begun}."
    return f"It runs{begun}; step {code(step.name, FIELD_LIMIT)} since {moment(step.since)}."


def _failed(job: DeployJob) -> str:
    status = job.status
    why = _ENDS[status.reason] if status.reason is not None else "It failed."
    exit_code = f" Exit code {status.exit_code}." if status.exit_code is not None else ""
    lasted = _lasted(job)
    return f"{why}{exit_code}" + (f" It ended{lasted}." if lasted else "")


def _lasted(job: DeployJob) -> str:
    begun, ended = job.status.started_at, job.status.finished_at
    return f" after {duration((ended - begun).total_seconds())}" if begun and ended else ""


def _details(job: DeployJob) -> list[Block]:
    status, blocks = job.status, []
    told = status.message or (status.rejection.reason if status.rejection else None)
    if status.phase is Phase.FAILED and told:
        blocks.append(_section(code_block(told, MESSAGE_LIMIT)))
    if status.phase.finished and status.output:
        blocks.append(_section(code_block(_outputs(status.output), OUTPUT_LIMIT)))
    return blocks


def _outputs(output: Mapping[str, Any]) -> str:
    lines = [f"{name} = {_value(value)}" for name, value in list(output.items())[:MAX_OUTPUTS]]
    left = len(output) - MAX_OUTPUTS
    return "\n".join([*lines, f"and {left} more"] if left > 0 else lines)


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _foot(job: DeployJob, around: Around) -> str:
    ended, queued = job.status.finished_at, job.metadata.creation_timestamp
    when = f"ended {moment(ended)}" if ended else f"queued {moment(queued)}" if queued else ""
    return f"<{around.url}|All about this job>{'  ' if when else ''}{when}"


def _buttons(job: DeployJob) -> list[Block]:
    if job.status.phase.finished:
        return [_button("Run again", RERUN, job)] if job.spec.trigger is not None else []
    if job.spec.cancel is not None:
        return []
    confirm = {
        "title": _plain("Cancel this run?", 100),
        "text": _plain("A step that runs is told to stop; what it has done already is not undone.", 300),
        "confirm": _plain("Cancel the run", 30),
        "deny": _plain("Let it go on", 30),
    }
    return [_button("Cancel", CANCEL, job) | {"style": "danger", "confirm": confirm}]


def _button(text: str, action: str, job: DeployJob) -> Block:
    return {"type": "button", "text": _plain(text, 75), "action_id": action, "value": job.name}


def _section(text: str) -> Block:
    return {"type": "section", "text": _mrkdwn(text)}


def _mrkdwn(text: str) -> Block:
    """Return a text object in which Slack looks for no addresses, channels or names of its own accord."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _plain(text: str, limit: int) -> Block:
    return {"type": "plain_text", "text": plain(text, limit), "emoji": True}


def _first(said: str) -> str:
    return said.partition("\n")[0]
