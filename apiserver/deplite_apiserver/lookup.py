"""From the ids of REST to objects and back. An absent, foreign or misspelled id is one and the same 404."""

from collections.abc import Iterable
from typing import TypeVar

from deplite.kube.cache import Cache
from deplite.resources import Agent, ApiToken, DeployJob, EnrollmentToken, Resource, Trigger
from deplite.resources.identifiers import ID_PATTERN, object_id
from deplite_apiserver.context import Context
from deplite_apiserver.errors import NotFoundError, ValidationFailedError

Kind = TypeVar("Kind", bound=Resource)


async def agent_by_id(context: Context, agent_id: str) -> Agent:
    """Return an agent, or raise `NotFoundError`."""
    return await _by_id(context, context.caches.agents, agent_id)


async def trigger_by_id(context: Context, trigger_id: str) -> Trigger:
    """Return a trigger, or raise `NotFoundError`."""
    return await _by_id(context, context.caches.triggers, trigger_id)


async def trigger_of(context: Context, job: DeployJob) -> Trigger:
    """Return the trigger that a job was started by.

    Raises:
        ValidationFailedError: `unknown_trigger`: it had none, or that was deleted since.
    """
    triggers, name = context.caches.triggers, job.spec.trigger
    found = None
    if name is not None:
        found = await context.caches.find(triggers, lambda: triggers.get(job.namespace, name))
    if found is None or found.metadata.deletion_timestamp is not None:
        raise ValidationFailedError("The job's trigger does not exist any more.", code="unknown_trigger")
    return found


async def token_by_id(context: Context, namespace: str, token_id: str) -> ApiToken:
    """Return an API token of one organization, or raise `NotFoundError`."""
    token = await _by_id(context, context.caches.tokens, token_id)
    if token.namespace != namespace:
        raise NotFoundError
    return token


async def code_by_id(context: Context, namespace: str, code_id: str) -> EnrollmentToken:
    """Return an enrolment code of one organization, or raise `NotFoundError`."""
    code = await _by_id(context, context.caches.enrollments, code_id)
    if code.namespace != namespace:
        raise NotFoundError
    return code


def agent_id_of(namespace: str, name: str) -> str:
    """Return the id of an agent by its object name."""
    return object_id("ag", namespace, name)


def trigger_id_of(namespace: str, name: str) -> str:
    """Return the id of a trigger by its object name."""
    return object_id("tr", namespace, name)


async def agent_names(context: Context, namespace: str, ids: Iterable[str]) -> tuple[str, ...]:
    """Return the object names of agents of an organization; an id that is none of them is refused."""
    return tuple([await _name(context, context.caches.agents, namespace, one, "agent") for one in ids])


async def trigger_names(context: Context, namespace: str, ids: Iterable[str]) -> tuple[str, ...]:
    """Return the object names of triggers of an organization; an id that is none of them is refused."""
    return tuple([await _name(context, context.caches.triggers, namespace, one, "trigger") for one in ids])


async def _name(context: Context, cache: Cache[Kind], namespace: str, one: str, what: str) -> str:
    try:
        found = await _by_id(context, cache, one)
    except NotFoundError:
        found = None
    if found is None or found.namespace != namespace:
        raise ValidationFailedError(f"There is no such {what} in this organization.", code=f"unknown_{what}")
    return found.name


async def _by_id(context: Context, cache: Cache[Kind], one: str) -> Kind:
    found = None
    if ID_PATTERN.fullmatch(one):
        found = await context.caches.find(cache, lambda: next(iter(cache.by("id", one)), None))
    if found is None or found.metadata.deletion_timestamp is not None:
        raise NotFoundError
    return found
