"""Tells people by Events; nothing depends on them, so one that cannot be made is logged and forgotten."""

import asyncio
import logging

from deplite.kube.errors import AlreadyExistsError, KubeError
from deplite.kube.event import Event
from deplite.resources import Resource
from deplite_operator.context import Context
from deplite_operator.policies.events import events_of

log = logging.getLogger(__name__)

WAIT = 2.0
"""Seconds that one Event may take: it holds up the work on other objects."""


async def tell(context: Context, before: Resource, after: Resource) -> None:
    """Tell what is worth it of a status that was just written; what a crash loses here is not told again."""
    for event in events_of(before, after, context.now()):
        await tell_of(context, after, event)


async def tell_of(context: Context, about: Resource, event: Event) -> None:
    """Tell one thing, unless the object had too many."""
    if not context.allowance.take(about.metadata.uid or ""):
        log.debug("no Event %s on %s %s: it had too many", event.reason, about.KIND, about.name)
        return
    try:
        async with asyncio.timeout(WAIT):
            await context.kube.tell(about, event)
    except AlreadyExistsError:
        pass  # it was told before and came back
    except (KubeError, TimeoutError) as error:
        log.warning("no Event %s on %s %s: %r", event.reason, about.KIND, about.name, error)
