"""How things are: read off the operator at each scrape. What happens is told when it does (`metrics.py`)."""

from collections import Counter
from collections.abc import Iterable

from deplite.metrics.instruments import Value, plain
from deplite.metrics.kube import show_caches
from deplite.resources.reasons import READY
from deplite_operator.context import Context
from deplite_operator.metrics import Metrics
from deplite_operator.queue import WorkQueue
from deplite_operator.world import KINDS, Item

_STATUSES = ("True", "False", "Unknown")


def show(metrics: Metrics, context: Context, queue: WorkQueue) -> None:
    """Have each scrape read the operator."""
    show_caches(metrics, lambda: context.world.caches)
    about = "1 at the operator that acts; the sum over all is 1."
    metrics.gauge("deplite_operator_leader", about, (), plain(lambda: context.lease.held))
    about = "Objects that wait to be looked at, by kind."
    metrics.gauge("deplite_reconcile_queue", about, ("kind",), lambda: _by_kind(queue.waiting))
    about = "Objects whose last look failed, by kind: they are looked at again, at the latest after a minute."
    metrics.gauge("deplite_reconcile_failing", about, ("kind",), lambda: _by_kind(queue.failing))
    about = "Objects by kind and the status of their condition Ready."
    metrics.gauge("deplite_objects", about, ("kind", "ready"), lambda: _objects(context))


def _by_kind(items: Iterable[Item]) -> Iterable[Value]:
    found = Counter(dict.fromkeys((kind.KIND for kind in KINDS), 0))
    found.update(kind.KIND for kind, _ in items)
    return [((kind,), count) for kind, count in found.items()]


def _objects(context: Context) -> Iterable[Value]:
    found = Counter({(kind.KIND, status): 0 for kind in KINDS for status in _STATUSES})
    for cache in context.world.caches:
        for value in cache.values():
            conditions = {condition.type: condition.status for condition in value.status.conditions}
            found[cache.kind.KIND, conditions.get(READY, "Unknown")] += 1
    return found.items()
