"""The stream: what is sent when, to whom, and in which spelling; read by a client that nobody here wrote."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from deplite.resources import Agent, DeployJob
from deplite_apiserver.edge.eventstream import KEEPALIVE_SECONDS
from tests.kube.edge.answers import refused
from tests.kube.jobs.conftest import Bench, enroll
from tests.kube.serving import until
from tests.published.agent import PublishedAgent

Events = asyncio.Queue[tuple[str, Any] | None]
WHOLE = {"name": "free"}


@asynccontextmanager
async def listening(agent: PublishedAgent, *, extra: dict[str, str] | None = None) -> AsyncIterator[Events]:
    """Hold a stream open, and give its events; None is its end."""
    events: Events = asyncio.Queue()
    ready = asyncio.Event()

    async def read() -> None:
        async with agent.stream(extra=extra) as stream:
            ready.set()
            async for event in stream:
                events.put_nowait(event)
        events.put_nowait(None)

    task = asyncio.create_task(read())
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        waiting.cancel()
        await task
    try:
        yield events
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def following(events: Events) -> tuple[str, Any] | None:
    async with asyncio.timeout(60):
        return await events.get()


async def deploy(bench: Bench, events: Events) -> dict[str, Any]:
    found = await following(events)
    assert found is not None
    assert found[0] == "deploy", found
    return bench.agent.verify(found[1])


async def marked(bench: Bench, events: Events) -> None:
    """Check that nothing is on its way: a later event comes first."""
    assert bench.replica.context.desk.sync_workflows((bench.namespace, bench.agent_name))
    assert await following(events) == ("sync_workflows", {})


async def opened(bench: Bench, name: str | None = None) -> None:
    """Wait until the stream of an agent, the bench's unless named, counts as open."""
    streams = bench.replica.context.desk.streams

    async def found() -> bool:
        return streams.of((bench.namespace, name or bench.agent_name)) is not None

    await until(found, True)


@pytest.mark.parametrize("prefix", ["", "/api", "/v1"])
async def test_under_each_prefix(bench: Bench, prefix: str) -> None:
    bench.agent.base += prefix
    async with listening(bench.agent) as events:
        job_id = await bench.made()
        assert (await deploy(bench, events))["job_id"] == job_id


async def test_an_unclaimed_job_is_sent_once_a_stream_and_again_on_the_next(bench: Bench) -> None:
    job_id = await bench.made()
    nonces = set()
    for _ in range(3):
        async with listening(bench.agent) as events:
            payload = await deploy(bench, events)
            assert payload["job_id"] == job_id
            nonces.add(payload["nonce"])
            await marked(bench, events)
    assert len(nonces) == 3


@pytest.mark.parametrize("claim", ["running", "success", "lines"])
async def test_a_claimed_job_is_never_sent_again(bench: Bench, claim: str) -> None:
    job_id = await bench.made()
    async with listening(bench.agent) as events:
        await deploy(bench, events)
        answer = await (bench.ship(job_id, []) if claim == "lines" else bench.report(job_id, claim))
        assert answer.is_success, answer.text
        await marked(bench, events)
    async with listening(bench.agent) as events:
        await opened(bench)
        await marked(bench, events)


async def test_all_that_waited_comes_in_the_order_of_asking(bench: Bench) -> None:
    jobs = []
    for _ in range(3):
        jobs.append(await bench.made())
        await asyncio.sleep(1.1)  # the API server stamps whole seconds
    async with listening(bench.agent) as events:
        assert [(await deploy(bench, events))["job_id"] for _ in jobs] == jobs
        later = await bench.made()
        assert (await deploy(bench, events))["job_id"] == later


async def test_a_newer_stream_displaces_the_older_and_gets_what_was_not_claimed(bench: Bench) -> None:
    async with listening(bench.agent) as older:
        job_id = await bench.made()
        assert (await deploy(bench, older))["job_id"] == job_id
        async with listening(bench.agent) as newer:
            assert (await deploy(bench, newer))["job_id"] == job_id
            assert await following(older) is None
            await marked(bench, newer)


async def test_an_agent_gets_its_own_jobs_only(bench: Bench, kube: Any, replica: Any) -> None:
    other = await enroll(kube, bench.namespace, replica.base)
    async with listening(other) as theirs, listening(bench.agent) as ours:
        await bench.made()
        await deploy(bench, ours)
        name = next(one.name for one in await kube.list(Agent, bench.namespace) if one.name != bench.agent_name)
        await opened(bench, name)
        assert replica.context.desk.sync_workflows((bench.namespace, name))
        assert await following(theirs) == ("sync_workflows", {})
    await other.close()


async def test_a_refresh_asks_the_agent_to_report(bench: Bench) -> None:
    headers = {"Authorization": f"Bearer {bench.owner}"}
    path = f"/agents/{bench.agent.agent_id}/workflows/refresh"
    async with listening(bench.agent) as events:
        await opened(bench)
        assert (await bench.http.post(path, headers=headers)).status_code == 202
        assert await following(events) == ("sync_workflows", {})


async def test_a_running_job_that_is_to_stop_is_told_and_told_again_at_each_connect(bench: Bench) -> None:
    job_id = await bench.made()
    assert (await bench.report(job_id, "running")).status_code == 204
    uid = (await bench.job(job_id)).metadata.uid
    async with listening(bench.agent) as events:
        await opened(bench)
        cancel = {"spec": {"cancel": {"by": "ops", "reason": "superseded"}}}
        await bench.kube.patch(DeployJob, bench.namespace, job_id, cancel)
        told = await following(events)
    async with listening(bench.agent) as events:
        again = await following(events)
    assert told is not None
    assert again is not None
    assert (told[0], again[0]) == ("cancel", "cancel")
    plain = {"job_id": job_id, "reason": "superseded", "superseded": True, "actor": "ops"}
    assert {key: value for key, value in told[1].items() if key != "signed"} == plain
    signed = bench.agent.verify(told[1]["signed"])
    assert {key: signed[key] for key in plain} == plain
    assert (signed["event"], signed["agent_id"], signed["job_uid"]) == ("cancel", bench.agent.agent_id, uid)


async def test_a_queued_job_that_is_cancelled_ends_and_is_not_sent(bench: Bench) -> None:
    job_id = await bench.made()
    cancel = {"spec": {"cancel": {"by": "ops", "reason": "cancelled"}}}
    await bench.kube.patch(DeployJob, bench.namespace, job_id, cancel)
    await until(lambda: bench.status(job_id), ("failed", "cancelled"))
    async with listening(bench.agent) as events:
        await opened(bench)
        await marked(bench, events)


async def test_a_job_that_is_deleted_is_stopped(bench: Bench) -> None:
    job_id = await bench.made()
    async with listening(bench.agent) as events:
        await deploy(bench, events)
        assert (await bench.report(job_id, "running")).status_code == 204
        await bench.kube.delete(DeployJob, bench.namespace, job_id)
        told = await following(events)
    assert told is not None
    assert (told[0], told[1]["job_id"], told[1]["reason"]) == ("cancel", job_id, "cancelled")


@pytest.mark.parametrize("how", ["rest", "kubectl"])
async def test_a_revoked_agent_is_told_its_stream_ends_and_its_queue_goes(bench: Bench, how: str) -> None:
    headers = {"Authorization": f"Bearer {bench.owner}"}
    async with listening(bench.agent) as events:
        queued = await bench.made()
        await deploy(bench, events)
        if how == "rest":
            answer = await bench.http.delete(f"/agents/{bench.agent.agent_id}", headers=headers)
            assert answer.status_code == 204, answer.text
        else:
            await bench.kube.patch(Agent, bench.namespace, bench.agent_name, {"spec": {"revoked": True}})
        told = await following(events)
        assert told is not None
        assert told[0] == "revoke"
        signed = bench.agent.verify(told[1]["signed"])
        assert (signed["event"], signed["agent_id"]) == ("revoke", bench.agent.agent_id)
        assert await following(events) is None
    refused(await bench.agent.call("POST", "/agent/heartbeat"), 401, "agent_revoked")
    with pytest.raises(AssertionError, match="agent_revoked"):
        async with bench.agent.stream():
            pass
    await until(lambda: bench.status(queued), ("failed", "agent_revoked"))


async def test_an_agent_that_is_deleted_loses_its_stream(bench: Bench) -> None:
    async with listening(bench.agent) as events:
        await opened(bench)
        await bench.kube.delete(Agent, bench.namespace, bench.agent_name)
        assert await following(events) is None
    refused(await bench.agent.call("POST", "/agent/heartbeat"), 401, "unknown_agent")


async def test_a_stream_needs_a_signature_and_no_query(bench: Bench) -> None:
    for path, code in (("/agent/stream", "bad_signature_headers"), ("/agent/stream?x=1", "bad_signature")):
        headers = {} if "?" not in path else bench.agent.signed("GET", "/agent/stream", b"")
        refused(await bench.http.get(path, headers=headers), 401, code)


async def test_last_event_id_is_ignored_whatever_it_says(bench: Bench) -> None:
    job_id = await bench.made()
    for garbage in ("9999", "-1", "x; y"):
        extra = {"Last-Event-ID": garbage}
        async with listening(bench.agent, extra=extra) as events:
            assert (await deploy(bench, events))["job_id"] == job_id


ODD = {
    "quotes": "\"'`\\",
    "controls": "".join(map(chr, range(1, 32))) + "\x7f\x85",
    "markup": "<script>&amp;</script>",
    "separators": "\u2028\u2029\u00a0\ufeff",
    "wide": "Größe ☃ 😀 \U0010ffff",
    "shell": "$(id) ${IFS} `x` ; | & \n",
    "zebra\u2028": "key with a separator",
    "\U0001f600": "keys sort by UTF-16",
    "\uff5e": "above the surrogates",
    "safe": 2**53 - 1,
    "unsafe": 2**53,
    "huge": -(10**300),
    "half": 0.5,
    "tiny": 5e-324,
    "float": 3.0,
    "large": 1e21,
    "minus": -0.0,
    "zero": 0,
    "true": True,
    "text": "1.0",
    "empty": "",
}


async def test_every_odd_string_and_number_in_params_verifies(bench: Bench) -> None:
    reported = await bench.agent.call("POST", "/agent/workflows/report", {"workflows": [WHOLE]})
    assert reported.status_code == 200
    trigger = await bench.declare("free", workflow="free")
    headers = {"Authorization": f"Bearer {bench.owner}"}
    async with listening(bench.agent) as events:
        path = f"/triggers/{trigger}/run-manual"
        answer = await bench.http.post(path, json={"params": ODD, "ref": "größe/☃"}, headers=headers)
        assert answer.status_code == 202, answer.text
        payload = await deploy(bench, events)
    assert payload["ref"] == "größe/☃"
    params = payload["params"]
    assert {key: params[key] for key in ODD if isinstance(ODD[key], str | bool)} == {
        key: value for key, value in ODD.items() if isinstance(value, str | bool)
    }
    numbers = {key: value for key, value in ODD.items() if isinstance(value, int | float)}
    assert {key: float(params[key]) for key in numbers} == {key: float(value) for key, value in numbers.items()}
    assert {key for key in numbers if isinstance(params[key], str)} == {"unsafe", "huge", "half", "tiny", "large"}
    assert (params["safe"], params["float"], params["zero"]) == (2**53 - 1, 3, 0)


async def test_a_quiet_stream_is_kept_alive_by_comments(bench: Bench) -> None:
    headers = bench.agent.signed("GET", "/agent/stream", b"")
    async with bench.http.stream("GET", "/agent/stream", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.aiter_lines()
        async with asyncio.timeout(KEEPALIVE_SECONDS + 60):
            async for line in lines:
                if line == ": keepalive":
                    break
                assert line in ("", ": connected")
            else:
                raise AssertionError("the stream ended")


async def test_fifty_jobs_at_once_reach_a_slow_reader(bench: Bench) -> None:
    async with bench.agent.stream() as stream:
        await opened(bench)
        jobs = set(await asyncio.gather(*(bench.made() for _ in range(50))))
        await asyncio.sleep(1)
        found = {(await bench.agent.next_deploy(stream))["job_id"] for _ in range(50)}
    assert found == jobs
