"""Who reaches the port of metrics gets them, and can do no more: neither have them made often, nor keep others out."""

import asyncio
import time
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from deplite.local.ports import choose
from deplite.metrics.exposition import CONNECTIONS, FRESH_SECONDS, MetricsListenError, exposed

OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}


class Looks(Collector):
    """Counts how often it was looked at."""

    def __init__(self) -> None:
        self.count = 0

    def describe(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("looks", "Looks.")

    def collect(self) -> Iterator[Metric]:
        self.count += 1
        yield GaugeMetricFamily("looks", "Looks.", value=self.count)


@pytest.fixture
def looks() -> Looks:
    return Looks()


@pytest.fixture
def registry(looks: Looks) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(looks)
    return registry


@pytest.fixture
def port() -> int:
    return choose(["metrics"], {})["metrics"]


def client(port: int) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=CONNECTIONS // 2)
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60, limits=limits)


async def test_scrapes_of_one_second_share_one_text_of_each_format(
    looks: Looks, registry: CollectorRegistry, port: int
) -> None:
    async with exposed(registry, ("127.0.0.1", port)), client(port) as http:
        began = time.monotonic()
        kinds = [{}, OPENMETRICS] * 20
        answers = await asyncio.gather(*(http.get("/metrics", headers=headers) for headers in kinds))
        seconds = time.monotonic() - began
        assert {answer.status_code for answer in answers} == {200}
        assert {answer.headers["Content-Type"].split(";")[0] for answer in answers} == {
            "text/plain",
            "application/openmetrics-text",
        }
        assert 2 <= looks.count <= 2 * (1 + seconds / FRESH_SECONDS)
        before = looks.count
        await asyncio.sleep(FRESH_SECONDS)
        assert f"looks {before + 1}.0" in (await http.get("/metrics")).text


async def test_who_keeps_connections_open_keeps_nobody_out(registry: CollectorRegistry, port: int) -> None:
    async with exposed(registry, ("127.0.0.1", port)):
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS + 4)]
        async with client(port) as http:
            assert (await http.get("/metrics")).status_code == 200
        async with asyncio.timeout(60):
            assert [await reader.read() for reader, _ in held[:5]] == [b""] * 5
        assert not any(reader.at_eof() for reader, _ in held[5:])
        for _, writer in held:
            writer.close()


async def test_an_address_that_is_taken_is_told(registry: CollectorRegistry, port: int) -> None:
    async with exposed(registry, ("127.0.0.1", port)):
        with pytest.raises(MetricsListenError, match="DEPLITE_METRICS_LISTEN"):
            async with exposed(registry, ("127.0.0.1", port)):
                raise AssertionError
    async with exposed(registry, ("127.0.0.1", port)), client(port) as http:
        assert (await http.get("/metrics")).status_code == 200
