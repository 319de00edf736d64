"""The operator's families that are counted where things happen; the others are in `readings.py`."""

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from deplite.metrics.instruments import QUICK, Instruments
from deplite.metrics.kube import KubeMetrics
from deplite_operator.world import Item


class Metrics(Instruments):
    """Of one operator.

    Attributes:
        kube: is told of requests to the Kubernetes API.
    """

    def __init__(self) -> None:
        super().__init__("operator")
        self._looks = self.histogram(
            "deplite_reconcile_duration_seconds",
            "Looks at an object, by kind and outcome (`done`, `failed`: looked at again later).",
            *("kind", "outcome"),
        )
        self._resyncs = self.histogram(
            "deplite_resync_duration_seconds",
            "Listing everything anew, by outcome (`done`, `failed`).",
            "outcome",
            buckets=(*QUICK, 30, 60),
        )
        self.kube = KubeMetrics(self)

    def measured(self, look: Callable[[Item], Awaitable[None]]) -> Callable[[Item], Awaitable[None]]:
        """Return what does the same and is measured."""

        async def measure(item: Item) -> None:
            began, outcome = time.monotonic(), "failed"
            try:
                await look(item)
                outcome = "done"
            finally:
                self._looks.labels(item[0].KIND, outcome).observe(time.monotonic() - began)

        return measure

    @contextmanager
    def resyncing(self) -> Iterator[None]:
        """Measure a list of everything."""
        began, outcome = time.monotonic(), "failed"
        try:
            yield
            outcome = "done"
        finally:
            self._resyncs.labels(outcome).observe(time.monotonic() - began)
