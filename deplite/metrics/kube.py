"""What both parts measure of the Kubernetes API: their requests, and their local copies."""

import time
from collections.abc import Callable, Iterable
from typing import Any

from deplite.kube.cache import Cache
from deplite.metrics.instruments import Instruments, Value


class KubeMetrics:
    """Requests to the Kubernetes API; `deplite.kube.observing.Observer`."""

    def __init__(self, instruments: Instruments) -> None:
        """Make the families."""
        self._requests = instruments.counter(
            "deplite_kube_requests_total",
            "Requests to the Kubernetes API by verb, resource and status code (`none`: no answer). A `409` is a write "
            "that met somebody else's and was decided anew; a `watch` is opened anew every 20 s.",
            *("verb", "resource", "code"),
        )
        self._seconds = instruments.histogram(
            "deplite_kube_request_duration_seconds",
            "Until the Kubernetes API began to answer; without watches.",
            *("verb", "resource"),
        )

    def answered(self, verb: str, resource: str, code: str, seconds: float) -> None:
        """As `Observer.answered`."""
        self._requests.labels(verb, resource, code).inc()
        if verb != "watch":
            self._seconds.labels(verb, resource).observe(seconds)


Caches = Callable[[], Iterable[Cache[Any]]]
"""Returns the local copies, at each scrape."""


def _of_each(caches: Caches, read: Callable[[Cache[Any]], float]) -> Callable[[], Iterable[Value]]:
    """Return what reads the same of each local copy, labelled by its resource."""
    return lambda: [((cache.kind.PLURAL,), float(read(cache))) for cache in caches()]


def show_caches(instruments: Instruments, caches: Caches) -> None:
    """Show the state of local copies."""
    show, resource = instruments.gauge, ("resource",)
    show("deplite_cache_objects", "Objects in the local copy.", resource, _of_each(caches, lambda cache: cache.size))
    show(
        "deplite_cache_synced",
        "1 once the first list is complete.",
        resource,
        _of_each(caches, lambda cache: cache.synced),
    )
    show(
        "deplite_cache_silence_seconds",
        "Since the last list or word of a watch. All is well up to 20 s (apiserver) and 60 s (operator).",
        resource,
        _of_each(caches, lambda cache: max(0.0, time.monotonic() - cache.heard_at) if cache.synced else 0.0),
    )
