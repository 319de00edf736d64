"""Does what a command or a button asks for, by the same services as REST, and returns the words for who asked.

No rule of runs, cancels or members is written here.
"""

from collections.abc import Callable
from dataclasses import dataclass

from deplite.resources.deployjob import Cancel as Wish
from deplite.resources.deployjob import DeployJob
from deplite.resources.identifiers import JOB_ID_PATTERN
from deplite.resources.slackinstallation import LinkCode, SlackInstallation, SlackLink
from deplite.resources.trigger import Trigger
from deplite_apiserver.audit.acts import OF_SLACK
from deplite_apiserver.audit.entry import Entry
from deplite_apiserver.auth.callers import UserCaller
from deplite_apiserver.context import Context
from deplite_apiserver.edge.body import validated
from deplite_apiserver.errors import UnavailableError
from deplite_apiserver.jobs.accept import MAX_CALLER_ID
from deplite_apiserver.jobs.callers import is_member
from deplite_apiserver.jobs.calling import call_of
from deplite_apiserver.jobs.request import RunRequest
from deplite_apiserver.jobs.run import Asked
from deplite_apiserver.jobs.run import Run as Ran
from deplite_apiserver.jobs.steps import key_of
from deplite_apiserver.lookup import trigger_id_of, trigger_of
from deplite_apiserver.slack import texts
from deplite_apiserver.slack.finding import find_job, find_trigger, triggers_of
from deplite_apiserver.slack.links import BadCodeError, FullError
from deplite_apiserver.slack.names import agent_names, job_url, title_of
from deplite_apiserver.slack.parse import Cancel, Link, Logs, Rerun, Run, Status, Triggers, Unlink
from deplite_apiserver.slack.speaker import (
    Member,
    Speaker,
    ToldError,
    member_of,
    require_member,
    workspace_of,
)
from deplite_apiserver.storage.pieces import LogName

LOG_LINES = 30


@dataclass(frozen=True, kw_only=True)
class Pressed:
    """The button of a card that starts its run again."""

    job: str
    card: str
    """The message that shows it."""


OfMembers = Run | Status | Logs | Cancel | Rerun | Triggers | Pressed
Asking = OfMembers | Link | Unlink


async def act(context: Context, speaker: Speaker, asked: Asking, entry: Entry) -> str:
    """Do it.

    Args:
        context: the collaborators.
        speaker: who asks.
        asked: what.
        entry: the audit record of the request.

    Returns:
        mrkdwn for the person who asked.

    Raises:
        ToldError: it is not done; the error has the words.
        ApiError: a rule refuses it.
        KubeError: the cluster did not do it; `entry.unsure` tells whether it may have done it all the same.
    """
    installation = await workspace_of(context, speaker)
    entry.within(installation.namespace)
    entry.who = {"kind": "slack", "id": speaker.id}
    match asked:
        case Link():
            return await _link(context, speaker, installation, asked.code, entry)
        case Unlink():
            return await _unlink(context, speaker, installation, entry)
    member = member_of(context, speaker, installation)
    entry.who["member"] = member.caller.id
    return await _act_as(context, member, asked, entry)


async def _act_as(context: Context, member: Member, asked: OfMembers, entry: Entry) -> str:
    match asked:
        case Run():
            return await _run(context, member, asked, entry)
        case Rerun():
            await _refuse_repeat(context, member.speaker, "rerun", asked.job)
            job = await find_job(context, member, asked.job)
            return _started(context, await _again(context, member, job, entry, key=f"slack {member.speaker.key}"))
        case Pressed():
            return await _press(context, member, asked, entry)
        case Cancel():
            return await _cancel(context, member, asked, entry)
        case Status():
            return await _status(context, member, asked)
        case Logs():
            job = await find_job(context, member, asked.job)
            name = LogName(organization=job.namespace, storage_key=job.storage_key)
            return texts.log_end(job, await context.desk.logs.tail(name, LOG_LINES))
        case Triggers():
            found = triggers_of(context, member.organization)
            return texts.triggers(found, agent_names(context.caches, member.organization), member.speaker.says.command)


async def _run(context: Context, member: Member, asked: Run, entry: Entry) -> str:
    trigger = await find_trigger(context, member, asked.trigger)
    said = {"ref": asked.ref, "workflowName": asked.workflow, "debug": asked.debug, "params": dict(asked.params)}
    body = {name: value for name, value in said.items() if value is not None}
    key = f"slack {member.speaker.key}"
    ran = await _start(
        context, member, trigger, lambda: Asked(request=validated(RunRequest, body), key=key), entry, act="run"
    )
    return _started(context, ran)


async def _again(
    context: Context, member: Member, job: DeployJob, entry: Entry, *, key: str, card: str | None = None
) -> Ran:
    trigger, again = await trigger_of(context, job), {"rerun": job.name}

    def read() -> Asked:
        return Asked(request=RunRequest.again(job.spec), key=key, body=again, caller=card)

    ran = await _start(context, member, trigger, read, entry, act="rerun")
    entry.detail["rerunOf"] = job.name
    return ran


async def _start(
    context: Context, member: Member, trigger: Trigger, read: Callable[[], Asked], entry: Entry, *, act: str
) -> Ran:
    call = await call_of(context, member.caller, trigger, read, requester=member.requester, notify=member.notify)
    entry.begin(OF_SLACK[act])
    entry.detail["trigger"] = trigger_id_of(*trigger.key)
    ran = await context.desk.runs.start(call)
    entry.made(ran.job.name, changed=not ran.idempotent)
    return ran


async def _press(context: Context, member: Member, asked: Pressed, entry: Entry) -> str:
    """Start a card's run again: the card asks, whoever presses, so all presses together are one run."""
    job = await find_job(context, member, asked.job)
    card = f"{member.speaker.team_id}/{asked.card}"
    ran = await _again(context, member, job, entry, key=f"rerun {job.name}", card=card)
    return texts.rerun_already(ran.job.name) if ran.idempotent else _started(context, ran)


async def _cancel(context: Context, member: Member, asked: Cancel, entry: Entry) -> str:
    await _refuse_repeat(context, member.speaker, "cancel", asked.job)
    job = await find_job(context, member, asked.job, to_stop=True)
    if job.status.phase.finished:
        return texts.already_ended(job)
    entry.begin(OF_SLACK["cancel"])
    wish = Wish(by=member.speaker.id[:MAX_CALLER_ID])
    stopped = await context.desk.cancels.ask(job.namespace, job.name, job.metadata.uid, wish)
    before = job.spec.cancel is not None
    entry.made(job.name, changed=not before)
    return texts.cancelled(stopped, before=before)


async def _refuse_repeat(context: Context, speaker: Speaker, act: str, job: str | None) -> None:
    """Refuse a repeat of a request that does not name its job by id: by now it could mean another one.

    A job that was started at another replica before this counts as well, so that it does not mean an older one either.
    """
    if job is not None and JOB_ID_PATTERN.fullmatch(job):
        return
    await context.caches.settle(context.caches.jobs)
    try:
        new = await context.slack.door.seen.first(act, speaker.id, speaker.key)
    except UnavailableError:
        raise ToldError(speaker.says.unsure(act)) from None
    if not new:
        raise ToldError(speaker.says.repeated())


async def _status(context: Context, member: Member, asked: Status) -> str:
    job = await find_job(context, member, asked.job)
    return texts.status(
        job,
        label=title_of(context.caches, job),
        waiting=context.desk.waiting_for(job),
        step=context.desk.steps.of(key_of(job)),
        url=job_url(context.settings.public_url, job),
    )


async def _link(context: Context, speaker: Speaker, installation: SlackInstallation, code: str, entry: Entry) -> str:
    def admit(found: LinkCode) -> None:
        caller = UserCaller(issuer=found.issuer, subject=found.subject)
        require_member(context, caller, installation.namespace)
        entry.who = {"kind": "slack", "id": speaker.id, "member": caller.id}

    def counts(link: SlackLink) -> bool:
        return is_member(context, UserCaller(issuer=link.issuer, subject=link.subject), installation.namespace)

    entry.begin(OF_SLACK["link"])
    try:
        await context.slack.door.links.take(installation, code, speaker.user_id, admit, counts)
    except BadCodeError:
        raise ToldError(speaker.says.bad_code()) from None
    except FullError:
        raise ToldError(speaker.says.full()) from None
    entry.made(installation.spec.team_id)
    return speaker.says.linked(installation.namespace)


async def _unlink(context: Context, speaker: Speaker, installation: SlackInstallation, entry: Entry) -> str:
    door = context.slack.door
    if not await door.seen.first("unlink", speaker.id, speaker.key):  # it must not undo a newer link
        raise ToldError(speaker.says.repeated())
    entry.begin(OF_SLACK["unlink"])
    was = await door.links.remove(installation, speaker.user_id)
    entry.made(installation.spec.team_id, changed=was)
    return texts.unlinked(was=was)


def _started(context: Context, ran: Ran) -> str:
    return texts.started(ran.job, title_of(context.caches, ran.job), again=ran.idempotent)
