"""Makes one object's status say what is true: look, judge, patch only what differs, by compare-and-swap."""

from typing import Any

from deplite.kube.errors import ConflictError, NotFoundError
from deplite.resources import ApiToken, EnrollmentToken, Resource
from deplite_operator.context import Context
from deplite_operator.handlers import HANDLERS
from deplite_operator.telling import tell
from deplite_operator.verdict import status_patch
from deplite_operator.world import Item

TRIES = 5


async def reconcile(context: Context, item: Item) -> None:
    """Look at one object.

    Raises:
        KubeError: it changed again and again, or the API server did not do what was asked.
        NotHeldError: the Lease is not ours at the moment of writing: another operator may be acting.
    """
    for number in range(TRIES):
        try:
            await _once(context, item)
            return
        except NotFoundError:
            context.world.forget(*item)
            return
        except ConflictError:
            if number == TRIES - 1:
                raise
            await _reread(context, item)


async def _once(context: Context, item: Item) -> None:
    kind, key = item
    resource = context.world.get(kind, key)
    if resource is not None and _mints(resource):
        # Its Secret lies outside the compare-and-swap below, so the decision to mint is made on a fresh copy.
        resource = await _reread(context, item)
    if resource is None or resource.metadata.deletion_timestamp is not None:
        return
    verdict = await HANDLERS[kind](context, resource)
    patch = status_patch(resource, verdict, context.now())
    if not patch:
        return
    version = resource.metadata.resource_version
    written = await context.kube.patch_status(kind, *key, patch, version=version)
    context.world.note(written)
    await tell(context, resource, written)


async def _reread(context: Context, item: Item) -> Any:
    kind, key = item
    resource: Resource = await context.kube.get(kind, *key)
    context.world.note(resource)
    return resource


def _mints(resource: Resource) -> bool:
    return isinstance(resource, ApiToken | EnrollmentToken) and resource.spec.secret_name is not None
