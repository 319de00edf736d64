"""The operator's process: settings, probes, the Lease, and kopf while the Lease is held.

What its ServiceAccount must be allowed, and nothing more (`deplite/rights` grants it):

- cluster-wide, `deplite.io`: get, list, watch on agentpools, agents, apitokens, enrollmenttokens, organizations,
  slackinstallations and triggers; patch on their `/status`. Nothing on CustomResourceDefinitions, namespaces or
  DeployJobs.
- cluster-wide: create on events.
- in the parts' namespace, `coordination.k8s.io`: get, create, update on leases.
- in each organization's namespace, by a RoleBinding: get, create, update on secrets.
- there by another one, for pools: get, create, update on daemonsets; get, create on serviceaccounts; get on configmaps;
  list on pods and events; delete on agents.
- discovery and SelfSubjectAccessReview, which the API server lets every authenticated user do.
"""

import asyncio
import logging
import os
import secrets
import socket
import sys
from datetime import UTC, datetime
from typing import Any, cast

import kopf

from deplite.errors import DepliteError
from deplite.kube.client import KubeClient
from deplite.kube.lease import Lease
from deplite.log import configure_logging, form_in
from deplite.metrics.exposition import exposed
from deplite.proxies import spare_loopback
from deplite.rights import account_name
from deplite_operator.context import Context
from deplite_operator.metrics import Metrics
from deplite_operator.policies.allowance import Allowance
from deplite_operator.probes import Probes
from deplite_operator.queue import WorkQueue
from deplite_operator.readings import show
from deplite_operator.reconcile import reconcile
from deplite_operator.settings import Settings
from deplite_operator.stopping import Stopping
from deplite_operator.watching import kopf_settings, registry_of
from deplite_operator.world import World

LEASE_NAME = "deplite-operator"
STOP_SECONDS = 5.0
"""For kopf to end by itself after the Lease was lost or a watch failed; nothing is written meanwhile."""
HURRY_SECONDS = 1.0
"""For it to end once it was cancelled as well."""

log = logging.getLogger(__name__)


def main() -> None:
    """Run the operator until it is told to stop, or until it no longer leads (exit code 1, to be started again)."""
    spare_loopback()
    configure_logging(form_in(os.environ, "json"))
    try:
        settings = Settings.from_environment(os.environ)
        configure_logging(settings.log_format, settings.log_level)
        sys.exit(asyncio.run(operate(settings)))
    except DepliteError as error:
        log.critical("%s", error, extra={"action": "ended"})
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


async def operate(settings: Settings) -> int:
    """Run the operator in this event loop and return its exit code.

    Raises:
        KubeError: there is no usable Kubernetes configuration.
    """
    metrics = Metrics()
    kube = await KubeClient.connect(name=account_name("operator"), observer=metrics.kube)
    context = _context(kube, settings, metrics)
    queue = WorkQueue(metrics.measured(lambda item: reconcile(context, item)))
    show(metrics, context, queue)
    probes = Probes(
        settings.probe_host,
        settings.probe_port,
        ready=lambda: context.lease.held and context.world.synced,
        waiting=lambda: context.lease.waiting,
    )
    try:
        await probes.start()
        async with exposed(metrics.registry, settings.metrics_listen):
            code = await _lead(context, queue) if await _wait_to_lead(context) else 0
    finally:
        await context.lease.release()
        await probes.stop()
        await kube.close()
    if context.stopping.ending.is_set() and not context.stopping.told.is_set():
        # After a failed watch, kopf's other watches may wait for ever for a login that nobody answers any more, and
        # cancelling does not end them: the event loop would wait with them.
        logging.shutdown()
        os._exit(code)
    return code


def _context(kube: KubeClient, settings: Settings, metrics: Metrics) -> Context:
    times = settings.lease
    identity = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    lease = Lease(
        kube,
        settings.system_namespace,
        LEASE_NAME,
        identity,
        duration=times.duration,
        renew=times.renew,
        retry=times.retry,
    )
    return Context(
        kube=kube.fenced(lambda: lease.left),
        world=World(kube),
        settings=settings,
        lease=lease,
        stopping=Stopping(),
        metrics=metrics,
        allowance=Allowance(),
        now=lambda: datetime.now(UTC),
    )


async def _wait_to_lead(context: Context) -> bool:
    """Wait for the Lease; False if told to stop before it came."""
    context.stopping.listen()
    acquiring = asyncio.create_task(context.lease.acquire())
    stopping = asyncio.create_task(context.stopping.told.wait())
    await asyncio.wait((acquiring, stopping), return_when=asyncio.FIRST_COMPLETED)
    leads = acquiring.done() and not context.stopping.told.is_set()
    for task in (acquiring, stopping):
        task.cancel()
    await asyncio.gather(acquiring, stopping, return_exceptions=True)
    return leads


async def _lead(context: Context, queue: WorkQueue) -> int:
    # The renewing task is there before kopf starts: at its end kopf cancels every task that came after it.
    holding = asyncio.create_task(context.lease.hold(), name="lease")
    ending = asyncio.create_task(context.stopping.ending.wait(), name="ending")
    operating = asyncio.create_task(
        kopf.operator(
            registry=registry_of(context, queue),
            settings=kopf_settings(),
            # Unless told who it is, kopf asks for the name of the user, and in a pod the user has none.
            identity=cast("Any", context.lease.identity),
            standalone=True,
            clusterwide=True,
            stop_flag=context.stopping.told,
        ),
        name="kopf",
    )
    await asyncio.wait((holding, ending, operating), return_when=asyncio.FIRST_COMPLETED)
    lost = holding.done()
    if not lost:
        await asyncio.wait((operating,), timeout=STOP_SECONDS)
    for task in (holding, ending, operating):
        task.cancel()
    await asyncio.wait((holding, operating), timeout=STOP_SECONDS if lost else HURRY_SECONDS)
    if lost:
        log.error("the lease is lost, so this process ends", extra={"action": "lease_lost"})
        return 1
    if not operating.done():
        log.error("a watch failed, and kopf does not end", extra={"action": "kopf_hangs"})
        return 1
    return _outcome(operating, told=context.stopping.told.is_set())


def _outcome(operating: "asyncio.Task[None]", *, told: bool) -> int:
    error = None if operating.cancelled() else operating.exception()
    if error is None:
        return 0
    if told:
        log.info("stopped while kopf was still starting", extra={"action": "stopped"})
        return 0
    log.error("kopf ended: %s", error, exc_info=error, extra={"action": "kopf_ended"})
    return 1


if __name__ == "__main__":
    main()
