"""Makes what a pool is made of: its ServiceAccount first, then its DaemonSet, and only where what is there differs.

A foreign object of that name is never touched. While something that the spec names is missing, the DaemonSet stays as
it is: pods that could not start would take the place of those that run. Where there is none, it is made once the pods
of an earlier one have ended: a new pod would take over the agent of its node, whose deploy would count as crashed.
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from deplite.kube.errors import ForbiddenError, InvalidError
from deplite.resources import AgentPool
from deplite.resources.agentpool import POOL_LABEL, PoolAccount, account_of
from deplite.resources.resource import Meta
from deplite_operator.conditions import Finding
from deplite_operator.policies.daemonset import HASH_ANNOTATION, daemon_set
from deplite_operator.policies.drift import holds
from deplite_operator.policies.lingering import pods_terminating
from deplite_operator.policies.pods import PodFacts, pod_of
from deplite_operator.policies.poolobstacles import (
    config_map_missing,
    name_not_free_yet,
    name_taken,
    object_forbidden,
    object_invalid,
    pools_forbidden,
    workflow_secret_missing,
)
from deplite_operator.settings import AgentPods
from deplite_operator.workloads import Body, Workloads, accounts, daemon_sets

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Made:
    """What is there of a pool."""

    account: PoolAccount | None = None
    daemon_set: Body | None = None
    pods: tuple[PodFacts, ...] | None = None
    """All with its label that have not ended; None where nobody looked."""
    obstacle: Finding | None = None
    """Why it is not all that it should be."""


async def make(work: Workloads, pool: AgentPool, release: AgentPods, system_namespace: str, now: datetime) -> Made:
    """Look at the objects of a pool, and make them or change them where they are not as they should be.

    Raises:
        ForbiddenError: the operator may not even look.
        KubeError: somebody else changed them meanwhile, or the API server does not answer.
    """
    namespace, name = pool.namespace, account_of(pool.name)
    account = await work.find(accounts(namespace), name)
    present = await work.find(daemon_sets(namespace), name)
    missing = await _missing(work, pool)
    foreign = _taken(pool, "ServiceAccount", account)
    if (taken := foreign or _taken(pool, "DaemonSet", present)) is not None:
        return Made(account=None if foreign else _known(account), obstacle=taken)
    pods = tuple([facts async for body in work.pods(namespace, pool.name) if (facts := pod_of(body, now)) is not None])
    obstacle = missing if present is not None else missing or pods_terminating(pods, name, now)
    try:
        if account is None:
            account = await work.create(accounts(namespace), _account(pool))
            _told(pool, "made its ServiceAccount")
        # Pods enrol by the account that the status names: it is said there before there are any.
        if obstacle is None and pool.status.service_account == _known(account):
            present = await _written(work, pool, daemon_set(pool, release), present)
    except InvalidError as error:
        obstacle = object_invalid(error)
    except ForbiddenError as error:
        lacking = error.lacks_right
        obstacle = pools_forbidden(namespace, system_namespace) if lacking else object_forbidden(error)
    return Made(account=_known(account), daemon_set=present, pods=pods, obstacle=obstacle)


def _known(account: Body | None) -> PoolAccount | None:
    return None if account is None else PoolAccount(name=account["metadata"]["name"], uid=account["metadata"]["uid"])


def _taken(pool: AgentPool, kind: str, body: Body | None) -> Finding | None:
    if body is None or pool.controls(metadata := Meta.model_validate(body["metadata"])):
        return None
    former = any(owner.kind == pool.KIND and owner.name == pool.name for owner in metadata.owner_references)
    return name_not_free_yet(kind, metadata.name) if former else name_taken(kind, metadata.name)


async def _missing(work: Workloads, pool: AgentPool) -> Finding | None:
    config_map, secret = pool.spec.workflows.config_map, pool.spec.secret_name
    if config_map is not None and not await work.exists(pool.namespace, "configmaps", config_map):
        return config_map_missing(config_map)
    if secret is not None and not await work.exists(pool.namespace, "secrets", secret):
        return workflow_secret_missing(secret)
    return None


def _account(pool: AgentPool) -> Body:
    metadata = {"name": account_of(pool.name), "labels": {POOL_LABEL: pool.name}}
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata | {"ownerReferences": [pool.owning.wire()]},
        "automountServiceAccountToken": False,  # its pods ask for it; others that name it do not get it unasked
    }


async def _written(work: Workloads, pool: AgentPool, wanted: Body, present: Body | None) -> Body:
    path = daemon_sets(pool.namespace)
    if present is None:
        made = await work.create(path, wanted)
        _told(pool, "made its DaemonSet")
        return made
    if "deletionTimestamp" in present["metadata"] or _stands(wanted, present):
        return present
    changed = await work.replace(path, present, wanted)
    _told(pool, "changed its DaemonSet")
    return changed


def _stands(wanted: Body, present: Body) -> bool:
    """Tell whether it is what we last wrote, and nobody has changed that."""
    marks = {field: present["metadata"].get(field) or {} for field in ("labels", "annotations")}
    if marks["annotations"].get(HASH_ANNOTATION) != wanted["metadata"]["annotations"][HASH_ANNOTATION]:
        return False
    return holds(wanted["metadata"]["labels"], marks["labels"]) and holds(wanted["spec"], present["spec"])


def _told(pool: AgentPool, what: str) -> None:
    log.info("AgentPool %s/%s: %s", pool.namespace, pool.name, what, extra={"action": "pool_written"})
