"""Log lines over the wire: shapes, repeats, gaps and cuts; what is acknowledged is read, the first of a seq wins."""

import asyncio
import json
import random
import time
from typing import Any

import pytest

from deplite.kube.client import KubeClient
from deplite_apiserver.logs.bounds import OVERLAP_WEIGHT, Bounds
from deplite_apiserver.logs.lines import line as stored
from deplite_apiserver.settings import Settings
from deplite_apiserver.storage.logstore import LogStore
from deplite_apiserver.storage.pieces import LogName
from deplite_apiserver.storage.s3 import S3Store
from tests.kube.edge.answers import refused
from tests.kube.edge.rawhttp import Wire
from tests.kube.jobs.conftest import Bench, Replica, enroll
from tests.kube.serving import served

MEBIBYTE = 1024 * 1024


def line(seq: int, content: str = "x", **extra: Any) -> dict[str, Any]:
    return {"seq": seq, "stream": "raw", "content": content} | extra


async def accepted(stage: Bench, job_id: str, items: list[dict[str, Any]]) -> int:
    answer = await stage.ship(job_id, items)
    assert answer.status_code == 200, answer.text
    count: int = answer.json()["accepted"]
    return count


async def read(stage: Bench, job_id: str, query: str = "") -> list[tuple[int, str]]:
    answer = await stage.get(f"/jobs/{job_id}/logs{query}")
    assert answer.status_code == 200, answer.text
    return [(item["seq"], item["content"]) for item in answer.json()["items"]]


WRONG: list[Any] = [
    [line(-1)],
    [line(2**63)],
    [line(10**30)],
    [{"seq": "0", "stream": "raw", "content": "x"}],
    [{"seq": 0.5, "stream": "raw", "content": "x"}],
    [{"seq": True, "stream": "raw", "content": "x"}],
    [{"seq": None, "stream": "raw", "content": "x"}],
    [{"stream": "raw", "content": "x"}],
    [line(0, stream="foo")],
    [line(0, stream="")],
    [{"seq": 0, "content": "x"}],
    [{"seq": 0, "stream": "raw"}],
    [line(0, content=None)],
    [line(0, content=1)],
    [line(0, level="debug")],
    [line(0, stepName=1)],
    [line(0, stepName="x" * 257)],
    [line(0, step_name="x")],
    [line(0, at="2026-01-01")],
    [line(0), "x"],
    "x",
    None,
    {"0": line(0)},
]


@pytest.mark.parametrize("items", WRONG, ids=lambda items: json.dumps(items)[:60])
async def test_lines_of_another_shape_are_422_and_nothing_is_stored(stage: Bench, items: Any) -> None:
    job_id = await stage.made()
    refused(await stage.ship(job_id, items), 422, "validation_error")
    assert await read(stage, job_id) == []
    assert await stage.status(job_id) == ("queued", None)


async def test_bounds_of_a_batch(stage: Bench) -> None:
    job_id = await stage.made()
    refused(await stage.ship(job_id, [line(seq) for seq in range(1001)]), 422, "validation_error")
    body = refused(await stage.ship(job_id, [line(0), line(1, "x" * (MEBIBYTE + 1))]), 422, "validation_error")
    assert "items.1.content" in body["message"]
    refused(await stage.ship(job_id, [line(n, "x" * MEBIBYTE) for n in range(4)]), 413, "too_large")
    assert await read(stage, job_id) == []
    assert await accepted(stage, job_id, [line(seq) for seq in range(1000)]) == 1000
    assert await accepted(stage, job_id, [line(1000, "é" * (MEBIBYTE // 2)), line(2**63 - 1)]) == 2
    assert [seq for seq, _ in await read(stage, job_id, "?fromSeq=1000")] == [1000, 2**63 - 1]
    assert (await stage.get(f"/jobs/{job_id}/logs?fromSeq={2**63 - 1}")).json()["nextSeq"] == 2**63


async def test_the_fields_of_a_line_come_back_as_they_were(stage: Bench) -> None:
    job_id = await stage.made()
    items = [
        line(0, "Build started\n", stream="summary", stepName="build", level="info"),
        line(1, "\x1b[31mred\x1b[0m\x00 ☃ \u2028 </script>", stepName="ünïcode"),
        line(2, "", stream="system", level="error"),
    ]
    assert await accepted(stage, job_id, items) == 3
    shown = (await stage.get(f"/jobs/{job_id}/logs")).json()
    assert shown == {"items": [{"stepName": ""} | item for item in items], "nextSeq": 3}


async def test_bytes_that_are_no_text_are_replaced_and_kept(stage: Bench) -> None:
    job_id = await stage.made()
    sent = b'{"items":[{"seq":0,"stream":"raw","content":"a\xff\xfeb"},{"seq":1,"stream":"raw","content":"\\ud83d"}]}'
    answer = await stage.agent.call("POST", f"/agent/jobs/{job_id}/logs", sent)
    assert (answer.status_code, answer.json()["accepted"]) == (200, 2), answer.text
    assert await read(stage, job_id) == [(0, "a��b"), (1, "�")]


async def test_lines_of_a_job_of_another_agent_or_none_are_404(
    stage: Bench, kube: KubeClient, replica: Replica
) -> None:
    job_id = await stage.made()
    other = await enroll(kube, stage.namespace, replica.base)
    for job in (job_id, "j-" + "a" * 26):
        answer = await other.call("POST", f"/agent/jobs/{job}/logs", {"items": [line(0)]})
        refused(answer, 404, "not_found")
    await other.close()
    assert await read(stage, job_id) == []


async def test_of_a_repeated_seq_the_first_one_written_wins_and_only_new_ones_are_accepted(stage: Bench) -> None:
    job_id = await stage.made()
    assert await accepted(stage, job_id, [line(0, "one"), line(5, "one")]) == 2  # a gap is no mistake
    assert await accepted(stage, job_id, [line(0, "one"), line(5, "one")]) == 0
    assert await accepted(stage, job_id, [line(seq, "two") for seq in (4, 5, 6)]) == 2
    assert await accepted(stage, job_id, [line(9, "first"), line(9, "second")]) == 1
    assert await read(stage, job_id) == [(0, "one"), (4, "two"), (5, "one"), (6, "two"), (9, "first")]


async def test_batches_doubled_reordered_overlapped_and_at_once_are_one_log(stage: Bench) -> None:
    job_id = await stage.made()
    dice = random.Random(18)  # F18
    batches = []
    for first in range(0, 200, 10):
        batches += [[line(seq, f"line {seq}") for seq in range(first, min(first + dice.randint(10, 25), 200))]] * 2
    dice.shuffle(batches)
    counts = []
    for start in range(0, len(batches), 8):
        counts += await asyncio.gather(*(accepted(stage, job_id, batch) for batch in batches[start : start + 8]))
    assert sum(counts) == 200
    assert await read(stage, job_id) == [(seq, f"line {seq}") for seq in range(200)]


@pytest.mark.parametrize("rest", [1, 40, 10_000])
async def test_a_batch_cut_in_the_midst_is_not_stored_and_comes_whole_by_its_repeat(stage: Bench, rest: int) -> None:
    job_id = await stage.made()
    path = f"/agent/jobs/{job_id}/logs"
    body = json.dumps({"items": [line(seq, "y" * 100) for seq in range(100)]}).encode()
    headers = stage.agent.signed("POST", path, body) | {"Host": "h", "Content-Length": str(len(body))}
    head = f"POST {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
    wire = await Wire.open(stage.replica.base)
    await wire.send(head.encode() + body[:-rest])
    await wire.close()
    assert await accepted(stage, job_id, json.loads(body)["items"]) == 100
    assert len(await read(stage, job_id)) == 100
    cut = await stage.agent.call("POST", path, body[:-rest])  # and signed so: it is no JSON
    refused(cut, 422, "invalid_json")


@pytest.mark.parametrize("query", ["fromSeq=-1", "fromSeq=x", "fromSeq=1e3", f"fromSeq={2**63 + 1}", "limit=0"])
async def test_a_wrong_page_is_422(stage: Bench, query: str) -> None:
    job_id = await stage.made()
    refused(await stage.get(f"/jobs/{job_id}/logs?{query}"), 422, "validation_error")
    for limit in ("limit=-1", "limit=1001", "limit=1e9", "limit="):
        refused(await stage.get(f"/jobs/{job_id}/logs?{limit}"), 422, "validation_error")


async def test_a_log_is_read_page_by_page_with_each_line_once(stage: Bench) -> None:
    job_id = await stage.made()
    for first in range(0, 60, 20):
        await accepted(stage, job_id, [line(seq * 3) for seq in range(first, first + 20)])
    found: list[int] = []
    start = 0
    while page := (await stage.get(f"/jobs/{job_id}/logs?fromSeq={start}&limit=7")).json():
        if not page["items"]:
            break
        assert len(page["items"]) <= 7
        found += [item["seq"] for item in page["items"]]
        start = page["nextSeq"]
    assert found == [seq * 3 for seq in range(60)]
    assert (start, page["nextSeq"]) == (178, 178)


async def test_a_log_whose_batches_all_lie_over_one_another_is_cut_and_one_that_repeats_them_is_not(
    stage: Bench, bucket: S3Store
) -> None:
    bounds = Bounds(parts=5 * OVERLAP_WEIGHT)
    one, other = LogStore(bucket, time.monotonic, bounds), LogStore(bucket, time.monotonic, bounds)
    tangled, honest = (
        LogName(organization=stage.namespace, storage_key=f"j-{kind}-0a1b2c3d") for kind in ("tangled", "honest")
    )

    async def send(store: LogStore, name: LogName, *seqs: int) -> int:
        return (await store.append(name, [stored(seq=seq, stream="raw", content="x") for seq in seqs])).dropped

    assert [await send(one, tangled, seq, 2**62 + seq) for seq in range(7)] == [0, 0, 0, 0, 0, 2, 2]
    assert await send(other, tangled, 9, 2**62 + 9) == 2, "another replica weighs what it finds"
    [cut] = [line for line in await other.read(tangled, 0, 1000) if line["stream"] == "system"]
    assert "100 uploads that are not merged (one that lies over others" in cut["content"]
    for seq in range(30):
        assert [await send(store, honest, 2 * seq, 2 * seq + 1) for store in (one, one, other)] == [0, 0, 0]
    assert [line["stream"] for line in await one.read(honest, 0, 1000)] == ["raw"] * 60


async def test_who_is_read_is_asked_to_send_sooner(stage: Bench) -> None:
    job_id = await stage.made()
    assert "flushMs" not in (await stage.ship(job_id, [line(0)])).json()
    await read(stage, job_id)
    assert (await stage.ship(job_id, [line(1)])).json() == {"accepted": 1, "flushMs": 1000}


async def test_another_process_goes_on_with_a_log(bench: Bench, settings: Settings) -> None:
    job_id = await bench.made()
    await accepted(bench, job_id, [line(seq, "one") for seq in range(10)])
    first = bench.agent.base
    async with served(settings) as second:
        bench.agent.base = second.base
        assert await accepted(bench, job_id, [line(seq, "two") for seq in range(5, 15)]) == 5
    bench.agent.base = first
    expected = [(seq, "one") for seq in range(10)] + [(seq, "two") for seq in range(10, 15)]
    assert await read(bench, job_id) == expected
