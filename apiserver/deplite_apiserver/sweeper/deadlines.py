"""Which unfinished jobs end because time passed, or because their agent is gone: one pure policy a duty.

All of them end a job by `transition.Ended`, which does nothing where the job has moved on meanwhile.
"""

from dataclasses import dataclass
from datetime import datetime

from deplite.protocol.phases import Reason
from deplite.resources.agent import Agent
from deplite_apiserver.jobs.replaced import replaced
from deplite_apiserver.jobs.view import LiveJob

LOST_SECONDS = 210.0
"""Silence after which a running job counts as lost: its agent was shown as disconnected at 180 s, all is settled
by 240 s."""

UNANSWERED_SECONDS = 300.0
"""After an agent was told to stop a job: SIGTERM, ten seconds, SIGKILL, and its log is delivered well before."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the end of one job is decided on."""

    agent: Agent | None
    silence: float
    """Seconds for which the agent was silent while we could have heard it."""
    sent_age: float | None
    """Seconds since the job was first sent to an open stream; None where it never was. Another replica may have noted
    it, then that is by Redis' clock, which may be wrong: no deadline believes more than the job can have had."""
    listening: float
    """Seconds for which we have been able to hear without a break."""
    lost_after: float = LOST_SECONDS
    """Seconds of silence after which a running job counts as lost."""
    told_age: float | None = None
    """Seconds since its agent was first told over an open stream to stop the job; None where it never was. As with
    `sent_age` that may be by Redis' clock."""


def verdict(job: LiveJob, facts: Facts, now: datetime) -> Reason | None:
    """Return why a job ends now, if it does; the first duty that says so wins."""
    return (
        cancelled(job)
        or revoked(facts)
        or crashed(job, facts)
        or expired(job, facts, now)
        or timed_out(job, facts, now)
        or lost(job, facts)
    )


def cancelled(job: LiveJob) -> Reason | None:
    """A queued job that somebody cancelled ends; the dispatcher does it at once, but may have failed to write it."""
    return Reason(job.cancel.reason) if job.queued and job.cancel is not None else None


def revoked(facts: Facts) -> Reason | None:
    """A job of a revoked agent ends: none may take it, or tell its end; the cluster must say so, too."""
    return Reason.AGENT_REVOKED if facts.agent is not None and facts.agent.spec.revoked else None


def crashed(job: LiveJob, facts: Facts) -> Reason | None:
    """A running job of a pod that another one took the place of ends; the cluster must say so, too."""
    return Reason.AGENT_CRASHED if replaced(job, facts.agent) else None


def expired(job: LiveJob, facts: Facts, now: datetime) -> Reason | None:
    """A job that was never sent ends after its queue time.

    While older jobs of its concurrency group come first, no time counts: it begins with the job's turn.
    A break of ours counts for nobody: jobs get the chance to be sent first, at least a minute or their queue time.
    """
    if not job.queued or job.waits_for_group or facts.sent_age is not None:
        return None
    over = _waited(job, now) >= job.queue_seconds and facts.listening >= min(60, job.queue_seconds)
    return Reason.EXPIRED if over else None


def may_be_unsent(job: LiveJob, now: datetime) -> bool:
    """Whether it matters by now that a queued job was sent, or was not."""
    if not job.queued or job.waits_for_group:
        return False
    return _waited(job, now) >= min(job.queue_seconds, job.job_seconds)


def _waited(job: LiveJob, now: datetime) -> float:
    """Seconds for which it could have been sent."""
    return (now - max(job.created_at, job.turn_at or job.created_at)).total_seconds()


def _ran(job: LiveJob, now: datetime) -> float:
    """Seconds since it was claimed."""
    return (now - (job.started_at or job.created_at)).total_seconds()


def timed_out(job: LiveJob, facts: Facts, now: datetime) -> Reason | None:
    """A job ends after its time: from the claim, or from the first sending where nobody claimed it."""
    if job.queued:
        over = facts.sent_age is not None and min(facts.sent_age, _waited(job, now)) >= job.job_seconds
    else:
        over = _ran(job, now) >= job.job_seconds
    return Reason.TIMEOUT if over else None


def unanswered(job: LiveJob, facts: Facts, now: datetime) -> Reason | None:
    """A running job whose agent was told to stop it, and says nothing of it, ends as what was asked for.

    The agent may be silent for good reasons, so all of the time counts while we could have heard it.
    """
    if job.queued or job.cancel is None or facts.told_age is None:
        return None
    over = min(facts.told_age, facts.listening, _ran(job, now)) >= UNANSWERED_SECONDS
    return Reason(job.cancel.reason) if over else None


def lost(job: LiveJob, facts: Facts) -> Reason | None:
    """A running job of an agent that fell silent ends, unless it was us who could not hear."""
    return Reason.AGENT_LOST if not job.queued and facts.silence >= facts.lost_after else None
