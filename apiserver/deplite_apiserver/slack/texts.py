"""What commands answer. Pure; whatever somebody else said goes through `mrkdwn`.

Every text says what is true now and, where something went wrong, what to do next.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deplite.protocol.phases import Phase
from deplite.resources.deployjob import DeployJob
from deplite.resources.trigger import Trigger
from deplite_apiserver.errors import ApiError
from deplite_apiserver.jobs.steps import Step
from deplite_apiserver.jobs.view import FinishedJob, JobView
from deplite_apiserver.jobs.waiting import Waiting
from deplite_apiserver.logs.lines import LogLine
from deplite_apiserver.slack.mrkdwn import code, code_block, link, sentence, units
from deplite_apiserver.slack.wording import complaint, last_event, moment, state, story

NAME_LIMIT, MESSAGE_LIMIT, LOG_LIMIT = 130, 600, 2800
"""UTF-16 units."""
LINE_LIMIT = 400
MAX_TRIGGERS = 30

UNKNOWN_TEAM = (
    "This workspace is not connected to an organization of Deplite. A member of one connects it with the "
    "address that `GET /orgs/:orgId/slack/install-url` gives."
)
NO_MEMBER = (
    "You are linked to somebody who is no member of the organization any more. Nothing has been done; ask an owner of "
    "the organization to add you again."
)
AWAY = "Deplite cannot do that for the moment. Nothing has been started or changed; try again in a moment."
WRONG = (
    "Something went wrong here; it has been logged. It is not known whether anything was done: see `status` before you "
    "try again."
)
_FOLLOWS = "The rest follows in a card."


@dataclass(frozen=True, kw_only=True)
class Says:
    """The texts that name the command, which an app may call otherwise than `/deplite`."""

    command: str

    def help(self) -> str:
        """Return what there is to type."""
        lines = (
            ("run TRIGGER [ref] [name=value …]", "starts a run; `--workflow NAME` where a trigger has several"),
            ("status [JOB]", "how a job stands"),
            ("logs [JOB]", "the end of its log"),
            ("cancel [JOB]", "stops it"),
            ("rerun [JOB]", "starts the same run again"),
            ("triggers", "what can be run"),
            ("link CODE", "ties you to your account; `deplite slack link` prints the code"),
            ("unlink", "undoes that"),
        )
        listed = "\n".join(f"• `{self.command} {typed}` - {said}" for typed, said in lines)
        return (
            f"{listed}\nJOB is an id or its beginning, or the name of a trigger (its newest job); without it, your own "
            'newest job. What has spaces goes in quotes: `note="two words"`.'
        )

    def problem(self, message: str) -> str:
        """Say what is wrong with what was typed."""
        return f"{message} Nothing has been done. `{self.command} help` shows what there is."

    def not_linked(self) -> str:
        """Say that we do not know who types."""
        return (
            "Deplite does not know yet who you are here, so nothing has been done. Type `deplite slack link` in a "
            f"terminal and paste here what it prints: `{self.command} link lnk_…`."
        )

    def bad_code(self) -> str:
        """Say that a link code is not good; why is not told."""
        return (
            "This code is unknown, used or too old. Nothing has been linked; `deplite slack link` in a terminal makes "
            "a new one, which is good for ten minutes and for this workspace."
        )

    def linked(self, organization: str) -> str:
        """Say that the link is there."""
        return f"You are linked to your account in {code(organization, NAME_LIMIT)}. Try `{self.command} triggers`."

    def full(self) -> str:
        """Say that no more users can be linked."""
        return (
            "This workspace has as many linked users as it may have. Nothing has been linked; somebody has to "
            f"`{self.command} unlink` first."
        )

    def unknown(self) -> str:
        """Say that an answer of the cluster was lost."""
        return (
            "The cluster did not answer, so it is not known whether this was done. See with "
            f"`{self.command} status` before you try again: a new command would be a second one."
        )

    def repeated(self) -> str:
        """Say that a request came a second time, whatever became of it the first time."""
        return (
            "This very request came a second time. Nothing more has been done, for by now it could mean something "
            f"else. See with `{self.command} status`."
        )

    def unsure(self, act: str) -> str:
        """Say that nobody can tell for the moment whether a request came a second time."""
        return (
            "For the moment Deplite cannot tell whether this very request came before, and could mean another job by "
            f"now. Nothing has been done; say which job, by its id: `{self.command} {act} j-…`."
        )

    def slow(self) -> str:
        """Say that the answer comes later."""
        return (
            "The cluster is slow: it is not known yet whether this was done. The answer follows here; if it does not, "
            f"see with `{self.command} status` before you try again."
        )

    def no_job(self) -> str:
        """Say that there is no job that could be meant."""
        return f"You have started no job here yet. `{self.command} run TRIGGER` does."

    def unknown_job(self) -> str:
        """Say that nothing is called so."""
        return (
            "There is no such job. Give its id, at least 6 characters of its beginning, or the name of a trigger; "
            f"`{self.command} triggers` shows those."
        )

    def unknown_trigger(self, close: Sequence[str]) -> str:
        """Say that nothing is called so, and what is called alike."""
        alike = f" Did you mean {_listed(close)}?" if close else ""
        return f"There is no such trigger.{alike} `{self.command} triggers` shows all. Nothing has been started."

    def several(self, jobs: Sequence[JobView]) -> str:
        """Say that more than one job could be meant."""
        return (
            f"More than one job has not ended: {_jobs(jobs)}. Nothing has been stopped; say which one: "
            f"`{self.command} cancel JOB`."
        )


def ambiguous(names: Sequence[str]) -> str:
    """Say that more than one thing is called so."""
    return f"More than one is called so: {_listed(names)}. Nothing has been done; use one of these names."


def refused(error: ApiError) -> str:
    """Return a refusal of REST in words, without anything of the inside."""
    wait = f" Try again in {error.retry_after} s." if error.retry_after is not None else ""
    said = sentence(error.message, MESSAGE_LIMIT)
    return f"{said}{'' if said.endswith('.') else '.'}{wait}"


def started(job: DeployJob, label: str, *, again: bool) -> str:
    """Say that a run is accepted, or was by this very request."""
    ref = f" at {code(job.spec.ref, NAME_LIMIT)}" if job.spec.ref else ""
    head = "This was started already:" if again else "Started"
    return f"{head} {code(label, NAME_LIMIT)}{ref} as {code(job.name, NAME_LIMIT)}. {_FOLLOWS}"


def rerun_already(job_id: str) -> str:
    """Say that a card's button was pressed before."""
    return f"This was started again already, as {code(job_id, NAME_LIMIT)}. Its own card has the next button."


def cancelled(job: DeployJob, *, before: bool) -> str:
    """Say that a job is going to stop."""
    head = f"{code(job.name, NAME_LIMIT)} is being stopped"
    return f"{head} already; its card shows when it has ended." if before else f"{head}; its card shows the end."


def already_ended(job: DeployJob) -> str:
    """Say that there is nothing to stop."""
    return f"{code(job.name, NAME_LIMIT)} has ended ({_word(job)}); there is nothing to stop."


def unlinked(*, was: bool) -> str:
    """Say that there is no link."""
    return "You are not linked any more." if was else "You were not linked; nothing has changed."


def status(job: DeployJob, *, label: str, waiting: Waiting | None, step: Step | None, url: str) -> str:
    """Return how a job stands.

    Args:
        job: the job.
        label: what people call its trigger or workflow.
        waiting: what it waits for.
        step: what it was last heard doing.
        url: where REST shows it.
    """
    ref = f" at {code(job.spec.ref, NAME_LIMIT)}" if job.spec.ref else ""
    icon, word = state(job.status.phase, job.status.reason)
    lines = [f"{icon} {code(label, NAME_LIMIT)}{ref}: {word}", story(job, waiting, step)]
    if told := complaint(job):
        lines.append(sentence(told, MESSAGE_LIMIT))
    lines.append(f"{code(job.name, NAME_LIMIT)}  {link(url, 'details')}  {last_event(job)}".rstrip())
    return "\n".join(lines)


def log_end(job: DeployJob, lines: Sequence[LogLine]) -> str:
    """Return the end of a log, as much as fits."""
    head = f"{code(job.name, NAME_LIMIT)} ({_word(job)})"
    if not lines:
        return f"{head} has no lines in its log yet."
    kept: list[str] = []
    room = LOG_LIMIT
    for line in reversed(lines):
        shown = line["content"][:LINE_LIMIT]
        room -= units(shown) + 1
        if room < 0 and kept:
            break
        kept.insert(0, shown)
    text = "\n".join(kept)
    return f"{head}, the end of its log:\n{code_block(text, LOG_LIMIT)}"


def triggers(found: Sequence[Trigger], names: Mapping[str, str], command: str) -> str:
    """Return what can be run.

    Args:
        found: the triggers, in their order.
        names: what agents are called, by object name.
        command: the name of the command.
    """
    if not found:
        return "There are no triggers yet. An owner makes them with `POST /orgs/:orgId/triggers`, or declares them."
    lines = [trigger_line(trigger, names) for trigger in found[:MAX_TRIGGERS]]
    if len(found) > MAX_TRIGGERS:
        lines.append(f"… and {len(found) - MAX_TRIGGERS} more.")
    return "\n".join([*lines, f"`{command} run NAME [ref]` starts one."])


def trigger_line(trigger: Trigger, names: Mapping[str, str]) -> str:
    """Return one line about a trigger."""
    spec, last = trigger.spec, trigger.status
    label = f" ({sentence(spec.display_name, NAME_LIMIT)})" if spec.display_name else ""
    workflow = code(spec.workflow, NAME_LIMIT) if spec.workflow else "any workflow"
    agent = sentence(names.get(spec.agent, spec.agent), NAME_LIMIT)
    suspended = ", suspended" if spec.suspended else ""
    ran = ""
    if last.last_job_phase is not None and last.last_job_at is not None:
        ran = f", last {state(Phase(last.last_job_phase))[1]} {moment(last.last_job_at)}"
    return f"• {code(trigger.name, NAME_LIMIT)}{label}: {workflow} on {agent}{suspended}{ran}"


def job_line(job: JobView) -> str:
    """Return one line about a job."""
    ref = f" at {code(job.ref, NAME_LIMIT)}" if job.ref else ""
    name = code(job.trigger or job.workflow, NAME_LIMIT)
    icon, word = state(job.phase, job.reason if isinstance(job, FinishedJob) else None)
    return f"{icon} {name}{ref} {word} {moment(job.created_at)} {code(job.name, NAME_LIMIT)}"


def _word(job: DeployJob) -> str:
    return state(job.status.phase, job.status.reason)[1]


def _jobs(jobs: Sequence[JobView]) -> str:
    return ", ".join(f"{code(job.name, NAME_LIMIT)} ({sentence(job.workflow, NAME_LIMIT)})" for job in jobs[:5])


def _listed(names: Sequence[str]) -> str:
    return ", ".join(code(name, NAME_LIMIT) for name in names[:5])
