"""A log followed as it grows, over real HTTP: every line once and in order, from any seq on, until the job's end."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.kube.jobs.conftest import Bench

Event = dict[str, Any]


@asynccontextmanager
async def following(bench: Bench, job_id: str, **headers: str) -> AsyncIterator[AsyncIterator[Event]]:
    sent = {"Authorization": f"Bearer {bench.token}", "Accept": "text/event-stream"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    async with bench.http.stream("GET", f"/jobs/{job_id}/logs", headers=sent) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield events(answer.aiter_lines())


async def events(lines: AsyncIterator[str]) -> AsyncIterator[Event]:
    event: Event = {}
    async for line in lines:
        if not line and event:
            yield event
            event = {}
        elif line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            event[name] = json.loads(value) if name == "data" else value


def batch(*seqs: int) -> dict[str, Any]:
    return {"items": [{"seq": seq, "stream": "raw", "stepName": "build", "content": f"line {seq}\n"} for seq in seqs]}


async def started(bench: Bench) -> str:
    job_id = str((await bench.run()).json()["jobId"])
    assert (await bench.agent.call("POST", f"/agent/jobs/{job_id}/logs", batch(0, 1))).status_code == 200
    return job_id


async def finish(bench: Bench, job_id: str) -> None:
    body = {"status": "success", "exitCode": 0}
    assert (await bench.agent.call("POST", f"/agent/jobs/{job_id}/result", body)).status_code == 204


async def test_lines_come_as_they_are_stored_until_the_end(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = await started(bench)
    async with asyncio.timeout(60), following(bench, job_id) as found:
        first = [await anext(found), await anext(found)]
        assert first == [
            {"id": str(seq), "data": {"seq": seq, "stream": "raw", "stepName": "build", "content": f"line {seq}\n"}}
            for seq in (0, 1)
        ]
        answer = await bench.agent.call("POST", f"/agent/jobs/{job_id}/logs", batch(2))
        assert answer.json() == {"accepted": 1, "flushMs": 1000}, "the agent is told that somebody follows"
        assert (await anext(found))["id"] == "2"
        followers = bench.replica.context.desk.followers
        with monkeypatch.context() as patch:
            patch.setattr(followers, "_settle_seconds", 30)  # however long the next two calls take
            await finish(bench, job_id)
            await bench.agent.call("POST", f"/agent/jobs/{job_id}/logs", batch(3))  # after the result: still in
            assert (await anext(found))["id"] == "3"
        assert await anext(found) == {"event": "end", "data": {"status": "success", "nextSeq": 4}}
        assert [event async for event in found] == []


@pytest.mark.parametrize(
    ("last", "ids"), [("0", ["1"]), ("1", []), ("", ["0", "1"]), ("junk", ["0", "1"]), ("-1", ["0", "1"])]
)
async def test_who_was_cut_off_goes_on_after_the_last_line_seen(bench: Bench, last: str, ids: list[str]) -> None:
    job_id = await started(bench)
    await finish(bench, job_id)
    async with asyncio.timeout(60), following(bench, job_id, Last_Event_ID=last) as found:
        heard = [event async for event in found]
    assert [event["id"] for event in heard[:-1]] == ids
    assert heard[-1]["event"] == "end"


async def test_a_stranger_follows_nothing(bench: Bench) -> None:
    headers = {"Authorization": f"Bearer {bench.token}", "Accept": "text/event-stream"}
    answer = await bench.http.get("/jobs/j-" + "a" * 26 + "/logs", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
