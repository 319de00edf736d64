"""What a part measures: a registry of its own, and a list of all families in it.

Labels hold words of ours only (kinds, routes, codes): never an id, a name or a ref, for whoever makes objects would
make series.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from deplite import __version__

Labels = tuple[str, ...]
Value = tuple[Labels, float]
"""The values of the labels, and what is measured."""

QUICK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Seconds: buckets for what somebody waits for."""
LONG = (0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14_400)
"""Seconds: buckets for what agents do."""

disable_created_metrics()  # type: ignore[no-untyped-call]  # else each counter has a second family that only says since when it counts


@dataclass(frozen=True, kw_only=True)
class Family:
    """What docs/metrics.md says of a family."""

    name: str
    type: Literal["counter", "gauge", "histogram"]
    labels: Labels
    meaning: str


class Instruments:
    """The families of one part.

    Attributes:
        registry: what a scrape shows; the process's own figures are in it, too.
        families: those of ours, in the order in which they were made.
    """

    def __init__(self, part: str) -> None:
        """Make them.

        Args:
            part: `apiserver` or `operator`.
        """
        self.registry = CollectorRegistry()
        self.families: list[Family] = []
        for usual in (ProcessCollector, PlatformCollector, GCCollector):
            usual(registry=self.registry)
        about = "Always 1; which part this is, and its version."
        self.gauge("deplite_build_info", about, ("part", "version"), lambda: [((part, __version__), 1.0)])

    def counter(self, name: str, meaning: str, *labels: str) -> Counter:
        """Return a counter; whoever something happens to counts it up."""
        self._list(name, "counter", labels, meaning)
        return Counter(name, meaning, labels, registry=self.registry)

    def histogram(self, name: str, meaning: str, *labels: str, buckets: Sequence[float] = QUICK) -> Histogram:
        """Return a histogram of seconds."""
        self._list(name, "histogram", labels, meaning)
        return Histogram(name, meaning, labels, buckets=buckets, registry=self.registry)

    def gauge(self, name: str, meaning: str, labels: Labels, read: Callable[[], Iterable[Value]]) -> None:
        """Show how things are at each scrape."""
        self._list(name, "gauge", labels, meaning)
        self.registry.register(_Gauge(name, meaning, labels, read))

    def _list(self, name: str, type_: Literal["counter", "gauge", "histogram"], labels: Labels, meaning: str) -> None:
        self.families.append(Family(name=name, type=type_, labels=labels, meaning=meaning))


def plain(read: Callable[[], float]) -> Callable[[], Iterable[Value]]:
    """Return what reads the one value of a family without labels."""
    return lambda: [((), float(read()))]


class _Gauge(Collector):
    """A family whose values are read at each scrape."""

    def __init__(self, name: str, meaning: str, labels: Labels, read: Callable[[], Iterable[Value]]) -> None:
        self._name, self._meaning, self._labels, self._read = name, meaning, labels, read

    def describe(self) -> Iterator[Metric]:
        """Name the family, without a look at anything."""
        yield GaugeMetricFamily(self._name, self._meaning, labels=self._labels)

    def collect(self) -> Iterator[Metric]:
        """Read the values."""
        family = GaugeMetricFamily(self._name, self._meaning, labels=self._labels)
        for labels, value in self._read():
            family.add_metric(labels, value)
        yield family
