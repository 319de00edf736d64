"""Puts one replica together and takes it apart again."""

import asyncio
import contextlib
import logging
import secrets
import signal
from collections.abc import AsyncIterator
from functools import partial

from deplite.kube.client import KubeClient
from deplite.rights import account_name
from deplite_apiserver.audit.trail import Trail
from deplite_apiserver.auth.jwt import JwtVerifier
from deplite_apiserver.auth.nonces import PacedNonces
from deplite_apiserver.auth.podtoken import PodTokens
from deplite_apiserver.caches import Caches
from deplite_apiserver.clock import Clock
from deplite_apiserver.context import Context
from deplite_apiserver.enrollment.notices import Notices
from deplite_apiserver.jobs.desk import Desk
from deplite_apiserver.limits.room import Room
from deplite_apiserver.logs.intake import log_flows
from deplite_apiserver.metrics.metrics import Metrics
from deplite_apiserver.serverkeys import ServerKeys, load_server_keys
from deplite_apiserver.settings import Settings
from deplite_apiserver.shared.state import share
from deplite_apiserver.slack.desk import Slack
from deplite_apiserver.slack.showing import cards_of
from deplite_apiserver.storage.presign import Presigner
from deplite_apiserver.storage.s3 import S3Store
from deplite_apiserver.tokens.usage import TokenUsage

log = logging.getLogger(__name__)

FLUSH_SECONDS = 2.0
"""How long the end waits for last uses of tokens to be written: they are not worth more."""


@contextlib.asynccontextmanager
async def assembled(settings: Settings, clock: Clock, metrics: Metrics) -> AsyncIterator[Context]:
    """Yield the context of a replica whose caches are being filled; `/readyz` tells when they are."""
    kube = await KubeClient.connect(settings.kubeconfig, account_name("apiserver"), metrics.kube)
    server_keys = await load_server_keys(kube, settings.system_namespace)
    context = _put_together(settings, clock, kube, server_keys, metrics)
    runs = {
        "caches": context.caches.run(metrics.watch_failures),
        "shared": context.shared.run(),
        "desk": context.desk.run(),
        "usage": context.usage.run(),
        "trail": context.trail.run(),
        "notices": context.notices.run(),
        "slack": context.slack.run(),
        "keys": context.jwt.begin(),
    }
    tasks = {name: asyncio.create_task(run, name=name) for name, run in runs.items()}
    closing = asyncio.Event()
    for task in tasks.values():
        task.add_done_callback(partial(_ended, closing))
    try:
        yield context
    finally:
        closing.set()
        await _take_apart(context, tasks)


def _put_together(
    settings: Settings, clock: Clock, kube: KubeClient, server_keys: ServerKeys, metrics: Metrics
) -> Context:
    caches = Caches(kube, settings.waits)
    shared = share(settings.redis, server_keys.installation, caches.jobs, clock, metrics)
    usage = TokenUsage(kube, caches.tokens, clock)
    store = S3Store(settings.s3, observe=metrics.stored)
    room = _room(settings, caches, clock)
    presigner = Presigner(settings.s3, clock.now)
    trail, notices = Trail(store, secrets.token_hex(6)), Notices(kube, clock.now)
    desk = Desk(
        settings=settings,
        kube=kube,
        caches=caches,
        clock=clock,
        shared=shared,
        server_keys=server_keys,
        room=room,
        store=store,
        metrics=metrics,
    )
    slack = Slack(
        settings=settings,
        kube=kube,
        swept=desk.swept,
        caches=caches,
        clock=clock,
        once=shared.once,
        server_keys=server_keys,
        room=room,
        holds_lease=lambda: desk.leads,
        metrics=metrics,
    )
    if slack.on:
        cards = cards_of(slack, desk, kube=kube, caches=caches, clock=clock, public_url=settings.public_url)
        desk.sweeper.beside(cards.run)
    return Context(
        settings=settings,
        kube=kube,
        caches=caches,
        clock=clock,
        shared=shared,
        nonces=PacedNonces(shared.nonces, clock.monotonic, log_requests_per_second=settings.log_requests_per_second),
        log_flows=log_flows(settings, clock.monotonic),
        jwt=JwtVerifier(settings.issuers, metrics),
        pod_tokens=PodTokens(kube, caches, clock),
        server_keys=server_keys,
        usage=usage,
        trail=trail,
        notices=notices,
        room=room,
        store=store,
        presigner=presigner,
        desk=desk,
        slack=slack,
    )


def _room(settings: Settings, caches: Caches, clock: Clock) -> Room:
    return Room(
        caches,
        clock,
        max_jobs=settings.max_unfinished_jobs,
        max_objects=settings.max_objects,
        max_files=settings.max_files,
        max_storage_bytes=settings.max_storage_bytes,
    )


async def _take_apart(context: Context, tasks: dict[str, asyncio.Task[None]]) -> None:
    """End everything, in the order in which the parts need each other."""
    tasks["trail"].cancel()  # what it was writing is written again, the same bytes under the same key
    await asyncio.wait([tasks["trail"]])
    await asyncio.gather(context.notices.close(), context.trail.close())  # the desk takes the bucket along
    await context.desk.close()
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FLUSH_SECONDS):
            await context.usage.flush(all_of_them=True)
    await context.slack.close()
    await context.shared.close()
    await context.kube.close()


def _ended(closing: asyncio.Event, task: asyncio.Task[None]) -> None:
    """Say why a task that should never end did, and end the process: without it, what is accepted is not sent."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("the task %s ended", task.get_name(), exc_info=error, extra={"action": "task_ended"})
        if not closing.is_set():
            signal.raise_signal(signal.SIGTERM)
