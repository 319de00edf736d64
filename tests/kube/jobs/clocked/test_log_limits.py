"""Bounds of logs over the wire: a firehose is cut and says so, an agent that sends too fast waits, results always pass.

The replica of these tests has small bounds, and a clock that stands still: whether an agent is too fast is no matter of
the machine.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite.protocol.request import RequestSigner
from deplite_agent.jobs.journal import Journal
from deplite_agent.jobs.log import JobLog
from deplite_agent.jobs.masking import Masker
from deplite_agent.jobs.result import Result
from deplite_agent.jobs.shipping import MAX_BATCH_ITEMS, Shipment
from deplite_agent.transport import Transport
from deplite_apiserver.settings import Settings
from deplite_apiserver.storage.s3 import S3Store
from tests.kube.edge.answers import refused
from tests.kube.jobs.conftest import Bench, enroll
from tests.kube.serving import MovableClock, Replica, served
from tests.unit.agent.builders import order

MOST_BYTES = 512 * 1024
RATE, BURST = 100_000, 2_000_000
REQUESTS = 10
BURST_REQUESTS = 20 * REQUESTS


@pytest_asyncio.fixture(scope="module")
async def small(settings: Settings) -> Settings:
    return settings.model_copy(
        update={
            "max_log_bytes": MOST_BYTES,
            "log_bytes_per_second": RATE,
            "log_burst_bytes": BURST,
            "log_requests_per_second": REQUESTS,
        }
    )


@pytest_asyncio.fixture(scope="module")
async def replica(small: Settings, clock: MovableClock) -> AsyncIterator[Replica]:
    async with served(small, clock) as running:
        yield running


def lines(start: int, count: int, size: int = 100, stream: str = "raw") -> list[dict[str, Any]]:
    return [{"seq": seq, "stream": stream, "content": "x" * size} for seq in range(start, start + count)]


async def taken(bench: Bench, job_id: str, items: list[dict[str, Any]]) -> tuple[int, int]:
    answer = await bench.ship(job_id, items)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return body["accepted"], body.get("dropped", 0)


async def whole(bench: Bench, job_id: str, limit: int = 1000) -> list[dict[str, Any]]:
    """Read a log as its owner (a token may read so often only), page by page."""
    found: list[dict[str, Any]] = []
    start = 0
    while True:
        answer = await bench.get(f"/jobs/{job_id}/logs?fromSeq={start}&limit={limit}", token=bench.owner)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        if not page["items"]:
            return found
        found += page["items"]
        start = page["nextSeq"]


async def in_the_bucket(settings: Settings, bench: Bench, job_id: str) -> int:
    """Return how many bytes the log of a job takes."""
    store = S3Store(settings.s3)
    found = await store.list(f"logs/{bench.namespace}/{job_id}-")
    await store.close()
    return sum(one.size for one in found)


async def test_a_firehose_is_cut_where_its_log_says_and_the_result_arrives(bench: Bench, small: Settings) -> None:
    job_id = await bench.made()
    sums = [await taken(bench, job_id, lines(start, 100, size=300)) for start in range(0, 3000, 100)]
    accepted, dropped = sum(one for one, _ in sums), sum(other for _, other in sums)
    assert accepted + dropped == 3000, "every line is accounted for"
    assert sums[-1] == (0, 100)
    assert await in_the_bucket(small, bench, job_id) <= MOST_BYTES + 500
    found = await whole(bench, job_id)
    assert [one["seq"] for one in found] == list(range(accepted + 1))
    [cut] = [one for one in found if one["stream"] == "system"]
    assert (cut["seq"], cut["level"]) == (accepted, "warn")
    assert f"{MOST_BYTES} bytes" in cut["content"]
    assert await taken(bench, job_id, lines(3000, 1, stream="summary")) == (1, 0)
    assert (await bench.report(job_id, "success", exitCode=0)).status_code == 204
    assert await bench.status(job_id) == ("success", None)
    assert [one["seq"] for one in await whole(bench, job_id)] == [*range(accepted + 1), 3000]
    headers = {"Authorization": f"Bearer {bench.owner}", "Accept": "text/event-stream"}
    async with bench.http.stream("GET", f"/jobs/{job_id}/logs?fromSeq={accepted}", headers=headers) as answer:
        text = "".join([chunk async for chunk in answer.aiter_text()])
    assert "The log was cut here" in text
    assert '"nextSeq":3001' in text


async def test_a_process_that_comes_after_keeps_to_the_cut(bench: Bench, small: Settings, clock: MovableClock) -> None:
    job_id = await bench.made()
    for start in range(0, 2000, 500):
        await taken(bench, job_id, lines(start, 500, size=400))
    before = await whole(bench, job_id)
    first = bench.agent.base
    async with served(small, clock) as second:
        bench.agent.base = second.base
        assert await taken(bench, job_id, lines(2000, 50, size=1)) == (0, 50)
    bench.agent.base = first
    assert await whole(bench, job_id) == before


async def test_lines_that_come_too_fast_are_429_until_the_time_that_is_told(
    bench: Bench, clock: MovableClock, kube: KubeClient, replica: Replica
) -> None:
    job_id = await bench.made()
    items = lines(0, 10, size=20_000)
    size = len(json.dumps({"items": items}))
    for _ in range(BURST // size):
        await taken(bench, job_id, items)
    answer = await bench.ship(job_id, items)
    body = refused(answer, 429, "rate_limited")
    assert {key: body[key] for key in ("error", "scope", "window", "limit")} == {
        "error": "rate_limited",
        "scope": "agent_log_bytes",
        "window": "second",
        "limit": RATE,
    }
    assert answer.headers["Retry-After"] == str(body["retryAfter"])
    assert body["observed"] >= BURST // size * size
    broken = await bench.agent.call("POST", f"/agent/jobs/{job_id}/logs", b"x" * size)
    refused(broken, 429, "rate_limited")  # and nobody looks into what comes too fast
    assert (await bench.agent.call("POST", "/agent/heartbeat")).status_code == 204
    other = await enroll(kube, bench.namespace, replica.base, clock=clock.time)
    gone = await other.call("POST", f"/agent/jobs/{job_id}/logs", {"items": items})
    refused(gone, 404, "not_found")  # the pace is each agent's own
    await other.close()
    clock.ahead += body["retryAfter"]
    assert await taken(bench, job_id, items) == (0, 0)


async def test_many_small_requests_are_429_too_and_the_result_is_not_limited(bench: Bench, clock: MovableClock) -> None:
    job_id = await bench.made()
    answers = await asyncio.gather(*(bench.ship(job_id, lines(seq, 1)) for seq in range(BURST_REQUESTS + 20)))
    assert sorted(answer.status_code for answer in answers) == [200] * BURST_REQUESTS + [429] * 20
    body = refused(next(answer for answer in answers if answer.status_code == 429), 429, "rate_limited")
    assert (body["scope"], body["limit"], body["retryAfter"]) == ("agent_log_requests", REQUESTS, 1)
    assert (await bench.report(job_id, "failed", exitCode=3)).status_code == 204
    refused(await bench.ship(job_id, lines(0, 1)), 429, "rate_limited")
    clock.ahead += body["retryAfter"]
    refusals = [seq for seq, answer in enumerate(answers) if answer.status_code == 429]
    for seq in refusals[:REQUESTS]:
        assert await taken(bench, job_id, lines(seq, 1)) == (1, 0)
    assert len(await whole(bench, job_id)) == BURST_REQUESTS + REQUESTS


async def test_our_agent_waits_as_it_is_told_and_loses_nothing(
    bench: Bench, clock: MovableClock, tmp_path: Path
) -> None:
    job_id = await bench.made()
    count = 3 * MAX_BATCH_ITEMS  # three batches, for which there is no room at first
    for _ in range(BURST_REQUESTS - 1):
        refused(await bench.ship(job_id, "x"), 422, "validation_error")
    journal = _ended(tmp_path, job_id, (await bench.job(job_id)).metadata.uid, count)
    statuses: list[tuple[str, int]] = []

    async def note(answer: httpx.Response) -> None:
        statuses.append((answer.request.url.path.rpartition("/")[2], answer.status_code))
        if answer.status_code == 429:
            clock.ahead += int(answer.headers["Retry-After"])  # in which our agent does nothing

    client = httpx.AsyncClient(trust_env=False, timeout=60, event_hooks={"response": [note]})
    signer = RequestSigner(agent_id=bench.agent.agent_id, key=bench.agent.key)
    transport = Transport(bench.replica.base, signer, "i1", client=client, clock=clock.time)
    await asyncio.wait_for(Shipment(journal, transport, patience=600).run(), 300)
    await transport.close()
    assert statuses == [("logs", 200), ("logs", 429), ("logs", 200), ("logs", 200), ("result", 204)]
    found = await whole(bench, job_id)
    assert [one["content"] for one in found] == [f"{number}\n" for number in range(count)]
    assert await bench.status(job_id) == ("success", None)


def _ended(folder: Path, job_id: str, uid: str, count: int) -> Journal:
    """Make the journal and the spool of a job that printed so many short lines, and ended."""
    journal = Journal.create(folder, order(job_id=job_id, job_uid=uid), "i1")
    journal.claimed()
    spool = JobLog(journal.log_path, Masker(), lambda: None)
    spool.write_raw("work", [b"%d\n" % number for number in range(count)])
    spool.close()
    journal.exited(Result(status="success", exit_code=0))
    return journal


async def test_seqs_that_nobody_could_mean_are_read_page_by_page_each_line_once(bench: Bench) -> None:
    """Every part lies over all others, and they come in the order that is worst for a reader."""
    job_id = await bench.made()
    most = 2**63 - 1
    expected: list[int] = []
    for number in reversed(range(40)):
        items = [{"seq": seq, "stream": "raw", "content": str(seq)} for seq in (number * 7, most - number * 7)]
        assert await taken(bench, job_id, items) == (2, 0)
        expected += [number * 7, most - number * 7]
    for limit in (7, 1000):
        assert [one["seq"] for one in await whole(bench, job_id, limit)] == sorted(expected)
