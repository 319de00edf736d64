"""What happens: told here when it does. How things are is read at a scrape (`readings.py`)."""

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from prometheus_client import Histogram

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

    def measured(self, look: Callable[[Item], Awaitable[bool]]) -> Callable[[Item], Awaitable[bool]]:
        """Return what does the same and is measured."""

        async def measure(item: Item) -> bool:
            with _timed(self._looks, item[0].KIND):
                return await look(item)

        return measure

    @contextmanager
    def resyncing(self) -> Iterator[None]:
        """Measure a list of everything."""
        with _timed(self._resyncs):
            yield


@contextmanager
def _timed(histogram: Histogram, *labels: str) -> Iterator[None]:
    """Measure what is done or fails; of what is cancelled there is nothing to tell."""
    began = time.monotonic()
    try:
        yield
    except Exception:
        histogram.labels(*labels, "failed").observe(time.monotonic() - began)
        raise
    histogram.labels(*labels, "done").observe(time.monotonic() - began)
