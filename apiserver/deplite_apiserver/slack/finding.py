"""What people mean by a trigger or a job: ids, names, the beginning of an id, or nothing at all."""

import difflib
from collections.abc import Callable, Iterable
from typing import Any

from deplite.kube.cache import Cache
from deplite.resources.deployjob import DeployJob
from deplite.resources.identifiers import JOB_ID_PATTERN
from deplite.resources.trigger import Trigger
from deplite_apiserver.context import Context
from deplite_apiserver.errors import NotFoundError, UnavailableError
from deplite_apiserver.jobs.lookup import Reader
from deplite_apiserver.jobs.view import JobView
from deplite_apiserver.lookup import trigger_id_of
from deplite_apiserver.slack.speaker import Member, ToldError
from deplite_apiserver.slack.texts import ambiguous

MIN_BEGINNING = 6
"""Characters of a job's id that may stand for it, `j-` among them."""


def triggers_of(context: Context, organization: str) -> list[Trigger]:
    """Return an organization's triggers by name.

    Raises:
        UnavailableError: they are not known yet.
    """
    _demand(context.caches.triggers)
    found = context.caches.triggers.by("namespace", organization)
    return sorted((one for one in found if one.metadata.deletion_timestamp is None), key=lambda one: one.name)


async def find_trigger(context: Context, member: Member, wanted: str) -> Trigger:
    """Return the trigger of an object name, an id, or a display name whose capitals do not matter.

    Raises:
        ToldError: there is none, or more than one.
        UnavailableError: triggers are not known yet.
        KubeError: the same.
    """

    def look() -> list[Trigger] | None:
        return _called(triggers_of(context, member.organization), wanted) or None

    found: list[Trigger] = await context.caches.find(context.caches.triggers, look) or []
    if len(found) == 1:
        return found[0]
    if found:
        raise ToldError(ambiguous([one.name for one in found]))
    names = [one.name for one in triggers_of(context, member.organization)]
    close = difflib.get_close_matches(wanted.lower()[:128], names, n=3)
    raise ToldError(member.speaker.says.unknown_trigger(close))


def _called(triggers: Iterable[Trigger], wanted: str) -> list[Trigger]:
    known = list(triggers)
    rules: tuple[Callable[[Trigger], bool], ...] = (
        lambda one: one.name == wanted,
        lambda one: trigger_id_of(*one.key) == wanted,
        lambda one: (one.spec.display_name or "").casefold() == wanted.casefold(),
    )
    return next((found for rule in rules if (found := [one for one in known if rule(one)])), [])


async def find_job(context: Context, member: Member, wanted: str | None, *, to_stop: bool = False) -> DeployJob:
    """Return the job that is meant.

    Args:
        context: the collaborators.
        member: who asks.
        wanted: an id, at least 6 characters of its beginning, or what a trigger is called: its newest job; None: the
            newest one of the caller.
        to_stop: of jobs of a trigger or of the caller only those count that have not ended, if there are such.

    Raises:
        ToldError: there is none, or more than one.
        ApiError: it cannot be told for the moment.
        KubeError: the same.
    """
    _demand(context.caches.jobs)
    job_id = wanted if wanted and JOB_ID_PATTERN.fullmatch(wanted) else _chosen(context, member, wanted, to_stop).name
    try:
        return await context.desk.lookup.whole(reader_of(member), job_id)
    except NotFoundError:
        raise ToldError(member.speaker.says.unknown_job()) from None


def reader_of(member: Member) -> Reader:
    """Return what a member may read from a workspace: jobs of its organization."""
    home = member.organization
    return Reader(belongs_to=lambda namespace: namespace == home, organizations=lambda: [home], grants=None)


def _chosen(context: Context, member: Member, wanted: str | None, to_stop: bool) -> JobView:
    jobs, organization, says = context.caches.jobs, member.organization, member.speaker.says
    if wanted is None:
        own = list(jobs.by("slack", (organization, member.speaker.id)))
        if not own:
            raise ToldError(says.no_job())
        return _newest(member, own, to_stop)
    if called := _called(triggers_of(context, organization), wanted):
        if len(called) > 1:
            raise ToldError(ambiguous([one.name for one in called]))
        if ran := list(jobs.by("trigger", called[0].key)):
            return _newest(member, ran, to_stop)
    if len(wanted) >= MIN_BEGINNING:
        begun = [one for one in jobs.values() if one.namespace == organization and one.name.startswith(wanted)]
        if len(begun) > 1:
            raise ToldError(ambiguous([one.name for one in begun]))
        if begun:
            return begun[0]
    raise ToldError(says.unknown_job())


def _newest(member: Member, jobs: list[JobView], to_stop: bool) -> JobView:
    open_ones = [one for one in jobs if not one.finished] if to_stop else []
    if len(open_ones) > 1:
        raise ToldError(member.speaker.says.several(open_ones))
    return max(open_ones or jobs, key=lambda one: (one.created_at, one.name))


def _demand(cache: Cache[Any]) -> None:
    if not cache.synced:
        raise UnavailableError(retry_after=1)
