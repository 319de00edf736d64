"""Makes one object's status say what is true: look, judge, patch only what differs, by compare-and-swap."""

from typing import Any

from deplite.kube.errors import ConflictError, NotFoundError
from deplite.resources import AgentPool, ApiToken, EnrollmentToken, Resource
from deplite_operator.context import Context
from deplite_operator.handlers import HANDLERS
from deplite_operator.telling import tell
from deplite_operator.verdict import status_patch
from deplite_operator.world import Item

TRIES = 5


async def reconcile(context: Context, item: Item) -> bool:
    """Look at one object; return whether to look again soon.

    Raises:
        KubeError: it changed again and again, or the API server did not do what was asked.
        NotHeldError: the Lease is not ours at the moment of writing: another operator may be acting.
    """
    for number in range(TRIES):
        try:
            return await _once(context, item)
        except NotFoundError:
            context.world.forget(*item)
            return False
        except ConflictError:
            if number == TRIES - 1:
                raise
            await _reread(context, item)
    raise AssertionError("the last try returns or raises")


async def _once(context: Context, item: Item) -> bool:
    kind, key = item
    resource = context.world.get(kind, key)
    if resource is not None and _makes(resource):
        # What it has us make lies outside the compare-and-swap below, so that is decided on a fresh copy.
        resource = await _reread(context, item)
    if resource is None or resource.metadata.deletion_timestamp is not None:
        return False
    verdict = await HANDLERS[kind](context, resource)
    patch = status_patch(resource, verdict, context.now())
    if patch:
        version = resource.metadata.resource_version
        written = await context.kube.patch_status(kind, *key, patch, version=version)
        context.world.note(written)
        await tell(context, resource, written)
    return verdict.unsettled


async def _reread(context: Context, item: Item) -> Any:
    kind, key = item
    resource: Resource = await context.kube.get(kind, *key)
    context.world.note(resource)
    return resource


def _makes(resource: Resource) -> bool:
    if isinstance(resource, ApiToken | EnrollmentToken):
        return resource.spec.secret_name is not None
    return isinstance(resource, AgentPool)
