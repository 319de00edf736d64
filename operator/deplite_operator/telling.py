"""Tells people by Events; nothing depends on them, so one that cannot be made is logged and forgotten."""

import logging

from deplite.kube.errors import AlreadyExistsError, KubeError
from deplite.resources import Resource
from deplite_operator.context import Context
from deplite_operator.policies.events import events_of

log = logging.getLogger(__name__)


async def tell(context: Context, before: Resource, after: Resource) -> None:
    """Tell what is worth it of a status that was just written."""
    for event in events_of(before, after, context.now()):
        try:
            await context.kube.tell(after, event)
        except AlreadyExistsError:
            pass  # a repeat after a crash
        except KubeError as error:
            log.warning("no Event %s on %s %s: %s", event.reason, after.KIND, after.name, error)
