"""What kopf does for us: it watches our kinds and tells of each event.

Only `on.event` handlers are registered: they need no finalizer, write no annotation and need no right to patch. They
are synchronous and quick; the work is done by the queue. No handler returns a value.
"""

import asyncio
from typing import Any

import kopf

from deplite.kube.client import KubeClient
from deplite.resources import Resource
from deplite.resources.resource import GROUP, VERSION
from deplite_operator.context import Context
from deplite_operator.dependents import concerned
from deplite_operator.queue import WorkQueue
from deplite_operator.resync import first_list, resync
from deplite_operator.world import KINDS


def kopf_settings() -> kopf.OperatorSettings:
    """Return how kopf shall behave."""
    settings = kopf.OperatorSettings()
    settings.watching.inactivity_timeout = 25  # a watch that fell silent is begun anew; server_timeout cannot do that
    settings.watching.server_timeout = 20  # ends a healthy one before, with a bookmark
    settings.networking.request_timeout = 10
    settings.networking.connect_timeout = 3
    settings.scanning.disabled = True  # no right to watch CustomResourceDefinitions or namespaces is needed
    settings.posting.enabled = False  # kopf shall make no Events: those worth reading are ours (telling.py)
    settings.peering.standalone = True  # peering can freeze everybody; our Lease says who acts
    settings.process.ultimate_exiting_timeout = 15
    return settings


def registry_of(context: Context, queue: WorkQueue) -> kopf.OperatorRegistry:
    """Return the handlers of one operator, which put the work into a queue and have it done."""
    registry = kopf.OperatorRegistry()
    context.world.subscribe(lambda kind, change: queue.add_all(concerned(context.world, kind, change)))
    _log_in(registry, context.kube)
    _start(registry, context, queue)
    for kind in KINDS:
        _watch(registry, context, kind)
    return registry


def _log_in(registry: kopf.OperatorRegistry, kube: KubeClient) -> None:
    @kopf.on.login(registry=registry, id="login")
    async def login(**_: Any) -> kopf.AiohttpSession:
        return kopf.AiohttpSession(server=kube.connection.host, aiohttp_session=kube.connection.session())


def _start(registry: kopf.OperatorRegistry, context: Context, queue: WorkQueue) -> None:
    tasks: list[asyncio.Task[Any]] = []

    @kopf.on.startup(registry=registry, id="startup")
    async def startup(**_: Any) -> None:
        await first_list(context)
        context.stopping.listen()
        tasks.append(asyncio.create_task(queue.run(), name="queue"))
        tasks.append(asyncio.create_task(resync(context, queue), name="resync"))

    # kopf gives what is left running at its end five seconds to finish by itself: these two never would.
    @kopf.on.cleanup(registry=registry, id="cleanup")
    async def cleanup(**_: Any) -> None:
        context.stopping.ending.set()
        for task in tasks:
            task.cancel()


def _watch(registry: kopf.OperatorRegistry, context: Context, kind: type[Resource]) -> None:
    @kopf.on.event(GROUP, VERSION, kind.PLURAL, registry=registry, id=kind.PLURAL)
    async def hear(event: kopf.RawEvent, **_: Any) -> None:
        context.world.hear(kind, event["type"], event["object"])
