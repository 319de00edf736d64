"""How a job is told in words: the same on its card, in answers to commands and on the home tab. Pure."""

from collections.abc import Mapping
from datetime import datetime

from deplite.protocol.phases import Phase, Reason
from deplite.resources.deployjob import DeployJob
from deplite_apiserver.jobs.steps import Step
from deplite_apiserver.jobs.waiting import Waiting
from deplite_apiserver.slack.mrkdwn import code

STEP_LIMIT = 500
"""UTF-16 units."""

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
    Reason.AGENT_REVOKED: "The agent was revoked before the run had ended.",
    Reason.EXPIRED: "No agent took it in time.",
}


def state(phase: Phase, reason: Reason | None = None) -> tuple[str, str]:
    """Return the icon and the word for how a job stands.

    Args:
        phase: its phase.
        reason: why it failed, if it did.
    """
    stopped = _STOPPED.get(reason) if reason is not None and phase is Phase.FAILED else None
    return stopped or _STATES[phase]


def story(job: DeployJob, waiting: Waiting | None, step: Step | None) -> str:
    """Return what happens, or how it ended, in one or two plain sentences of mrkdwn.

    Args:
        job: the job.
        waiting: what it waits for, if that is known.
        step: what it was last heard doing.
    """
    status = job.status
    match status.phase:
        case Phase.QUEUED:
            said = _WAITS[waiting]
        case Phase.RUNNING:
            said = _running(status.started_at, step)
        case Phase.SUCCEEDED:
            return f"It succeeded{_lasted(job)}."
        case Phase.FAILED:
            return _failed(job)
    return f"{said} It has been asked to stop." if job.spec.cancel is not None else said


def complaint(job: DeployJob) -> str | None:
    """Return what whoever ended a failed job says of it, as they said it: not safe to be shown as it is."""
    status = job.status
    if status.phase is not Phase.FAILED:
        return None
    return status.message or (status.rejection.reason if status.rejection else None)


def last_event(job: DeployJob) -> str:
    """Return when it ended, or else when it was queued; empty where neither is known."""
    ended, queued = job.status.finished_at, job.metadata.creation_timestamp
    return f"ended {moment(ended)}" if ended else f"queued {moment(queued)}" if queued else ""


def moment(at: datetime) -> str:
    """Return a moment that each reader sees in their own time zone."""
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} {{time}}|{at:%Y-%m-%d %H:%M} UTC>"


def duration(seconds: float) -> str:
    """Return how long something took, as people say it."""
    whole = max(0, int(seconds))
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _running(since: datetime | None, step: Step | None) -> str:
    begun = f" since {moment(since)}" if since else ""
    if step is None:
        return f"It runs{begun}."
    return f"It runs{begun}; step {code(step.name, STEP_LIMIT)} since {moment(step.since)}."


def _failed(job: DeployJob) -> str:
    status = job.status
    why = _ENDS[status.reason] if status.reason is not None else "It failed."
    exit_code = f" Exit code {status.exit_code}." if status.exit_code is not None else ""
    lasted = _lasted(job)
    return f"{why}{exit_code}" + (f" It ended{lasted}." if lasted else "")


def _lasted(job: DeployJob) -> str:
    begun, ended = job.status.started_at, job.status.finished_at
    return f" after {duration((ended - begun).total_seconds())}" if begun and ended else ""
