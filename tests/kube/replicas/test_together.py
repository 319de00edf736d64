"""What one replica knows, the other one acts on: limits, nonces, streams, logs, waiting callers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from deplite.kube.client import KubeClient
from deplite.resources import Agent, ApiToken, DeployJob, StoredFile, Trigger
from deplite_apiserver.dispatch.streams import AgentKey
from deplite_apiserver.shared.others import RedisOthers
from tests.kube.edge.people import People, declare_people
from tests.kube.jobs.conftest import WORKFLOW, Bench, enroll
from tests.kube.jobs.test_follow import batch, events
from tests.kube.jobs.test_stream import Events, deploy, following, listening
from tests.kube.replicas.conftest import Pair, deaf_of_agents, late, leading
from tests.kube.serving import Replica, told, until

HOUR = 3600.0


def at(bench: Bench, replica: Replica) -> None:
    """Have the agent call a replica from now on."""
    bench.agent.base = replica.base


def key(bench: Bench) -> AgentKey:
    return bench.namespace, bench.agent_name


@contextlib.asynccontextmanager
async def streaming(bench: Bench, replica: Replica, *, instance: str | None = None) -> AsyncIterator[Events]:
    """Hold the agent's stream open at a replica, which knows of it."""
    at(bench, replica)
    extra = None if instance is None else {"X-Deplite-Instance": instance}
    async with listening(bench.agent, extra=extra) as found:

        async def opened() -> bool:
            return replica.context.desk.streams.of(key(bench)) is not None

        await until(opened, True)
        yield found


async def test_a_limit_is_one_for_both(bench: Bench, pair: Pair) -> None:
    token = await bench.grant("ten", {"type": "trigger", "triggers": ["deploy"]}, rateLimit={"perDay": 10})
    await told(ApiToken)
    headers, path = {"Authorization": f"Bearer {token}"}, f"/triggers/{bench.trigger_id}/run"

    async def run(number: int) -> int:
        answer = await pair.clients[number % 2].post(path, json={"ref": "main"}, headers=headers)
        if answer.status_code == 429:
            assert (answer.json()["window"], answer.json()["observed"]) == ("day", 10)
        return answer.status_code

    codes = await asyncio.gather(*(run(number) for number in range(40)))
    assert (codes.count(202), codes.count(429)) == (10, 30)


async def test_workflows_that_were_just_reported_at_one_are_listed_at_the_other(bench: Bench, pair: Pair) -> None:
    """Whoever waits for the agent's line that it is enrolled finds them, whichever replica he asks."""
    path = f"/agents/{bench.agent.agent_id}/workflows"
    owner = {"Authorization": f"Bearer {bench.owner}"}
    await report(bench, [])
    await told(Agent)
    with deaf_of_agents(pair.other):
        assert (await pair.clients[1].get(path, headers=owner)).json() == []
        await report(bench, [WORKFLOW])
        (found,) = (await pair.clients[1].get(path, headers=owner)).json()
        assert found["name"] == WORKFLOW["name"]


async def test_workflows_that_were_just_reported_at_one_run_by_way_of_the_other(bench: Bench, pair: Pair) -> None:
    path = f"/triggers/{bench.trigger_id}/run"
    token = {"Authorization": f"Bearer {bench.token}"}
    async with streaming(bench, pair.other) as stream:
        for client in pair.clients:  # sent by the other, which has not heard of them; then accepted by it as well
            at(bench, pair.one)
            await report(bench, [])
            await told(Agent)
            with late(pair.other.context.caches.agents):
                await report(bench, [WORKFLOW])
                answer = await client.post(path, json={"ref": "main"}, headers=token)
                assert answer.status_code == 202, answer.text
                assert (await deploy(bench, stream))["job_id"] == answer.json()["jobId"]


async def test_the_first_agent_that_has_just_enrolled_at_one_is_listed_at_the_other(
    kube: KubeClient, organization: str, pair: Pair, people: People
) -> None:
    await declare_people(kube, organization, olga="owner")
    owner = {"Authorization": f"Bearer {people.token('olga')}"}
    with late(pair.other.context.caches.agents):
        agent = await enroll(kube, organization, pair.one.base)
        listed = await pair.clients[1].get(f"/orgs/{organization}/agents", headers=owner)
        assert [one["id"] for one in listed.json()] == [agent.agent_id]
    await agent.close()


async def test_a_job_that_has_ended_shows_what_was_uploaded_to_the_other(bench: Bench, pair: Pair) -> None:
    job_id = await bench.made()
    job = {"job": job_id, "jobUid": (await bench.job(job_id)).metadata.uid[:8], "cleanupRule": "on_job_end"}
    metadata = {"name": "f-1", "namespace": bench.namespace}
    await bench.kube.create(StoredFile.model_validate({"metadata": metadata, "spec": job}))
    await told(StoredFile)
    with late(pair.other.context.caches.files):
        stored = {"phase": "Stored", "size": 1, "storedAt": datetime.now(UTC).isoformat()}
        await bench.kube.patch_status(StoredFile, bench.namespace, "f-1", stored)
        for status, end in (("running", {}), ("success", {"exitCode": 0})):
            assert (await bench.report(job_id, status, **end)).status_code == 204
        token = {"Authorization": f"Bearer {bench.token}"}
        shown = (await pair.clients[1].get(f"/jobs/{job_id}", headers=token)).json()
        assert (shown["status"], [one["status"] for one in shown["files"]]) == ("success", ["stored"])


async def report(bench: Bench, workflows: list[dict[str, object]]) -> None:
    answer = await bench.agent.call("POST", "/agent/workflows/report", {"workflows": workflows})
    assert answer.status_code == 200, answer.text


async def test_a_signed_request_is_good_at_one_of_them_only(bench: Bench, pair: Pair) -> None:
    for number in range(2):
        signed = bench.agent.signed("POST", "/agent/heartbeat", b"")
        first, second = pair.clients[number], pair.clients[1 - number]
        assert (await first.post("/agent/heartbeat", headers=signed)).status_code == 204
        for client in (second, first):
            again = await client.post("/agent/heartbeat", headers=signed)
            assert (again.status_code, again.json()["code"]) == (401, "nonce_replayed")


async def test_a_newer_stream_at_the_other_ends_the_older_one(bench: Bench, pair: Pair) -> None:
    async with streaming(bench, pair.one) as older, streaming(bench, pair.other) as newer:
        assert await following(older) is None  # superseded
        job_id = await bench.made()  # asked of the first, which has no stream of this agent any more
        found = await following(newer)
        assert found is not None
        assert bench.agent.verify(found[1])["job_id"] == job_id
        assert pair.one.context.desk.streams.of(key(bench)) is None
        async with streaming(bench, pair.one) as back:
            assert await following(newer) is None
            found = await following(back)
            assert found is not None
            assert bench.agent.verify(found[1])["job_id"] == job_id  # not claimed, so sent again


async def test_without_a_bell_the_older_stream_ends_all_the_same(
    bench: Bench, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deplite_apiserver.dispatch.presence.MARGIN_SECONDS", 0.5)
    async with streaming(bench, pair.one) as older:
        assert isinstance(pair.one.context.shared.others, RedisOthers)
        monkeypatch.setattr(pair.one.context.shared.others, "_opened_there", lambda *_: None)
        await asyncio.sleep(1)  # so that nobody could mistake which one is older
        async with streaming(bench, pair.other) as newer:
            assert await following(older) is None
            await bench.made()
            assert await following(newer) is not None


async def test_two_processes_of_one_identity_at_two_replicas_are_shown(bench: Bench, pair: Pair) -> None:
    async with (
        streaming(bench, pair.one, instance="first") as first,
        streaming(bench, pair.other, instance="second") as second,
    ):
        assert await following(first) is None
        async with streaming(bench, pair.one, instance="first"):
            assert await following(second) == ("displaced", {})
            assert await following(second) is None

    async def shown() -> bool:
        agent = await bench.kube.get(Agent, *key(bench))
        return agent.status.condition("DuplicateIdentity") is not None

    await until(shown, True)


async def test_who_asks_at_the_other_reaches_the_stream(bench: Bench, pair: Pair) -> None:
    owner = {"Authorization": f"Bearer {bench.owner}"}
    async with streaming(bench, pair.one) as found:

        async def known() -> bool:
            return pair.other.context.desk.presence.connected(key(bench))

        await until(known, True)
        path = f"/agents/{bench.agent.agent_id}/workflows/refresh"
        answer = await pair.clients[1].post(path, headers=owner)
        assert (answer.status_code, answer.json()) == (202, {"requested": True})
        assert await following(found) == ("sync_workflows", {})
        run = await pair.clients[1].post(
            f"/triggers/{bench.trigger_id}/run",
            json={"ref": "main"},
            headers={"Authorization": f"Bearer {bench.token}"},
        )
        job_id = run.json()["jobId"]
        deploy = await following(found)
        assert deploy is not None
        assert deploy[0] == "deploy"
        shown = await pair.clients[1].get(f"/jobs/{job_id}", headers=owner)
        assert shown.json()["waitingFor"] == "agent_claim"  # it knows that the agent is there
        assert (await bench.report(job_id, "running")).status_code == 204
        assert (await pair.clients[1].post(f"/jobs/{job_id}/cancel", headers=owner)).status_code == 202
        told_of = await following(found)
        assert told_of is not None
        assert (told_of[0], told_of[1]["job_id"]) == ("cancel", job_id)


async def test_what_one_has_measured_in_the_bucket_counts_at_the_other(bench: Bench, pair: Pair) -> None:
    async def counted() -> int:
        pair.one.context.room.measured.take({bench.namespace: 5}, {})  # again, for the sweeper measures, too
        return pair.other.context.room.measured.of(bench.namespace)

    await until(counted, 5)


async def test_who_revokes_at_the_other_ends_the_stream(bench: Bench, pair: Pair) -> None:
    async with streaming(bench, pair.one) as found:
        path = f"/agents/{bench.agent.agent_id}"
        answer = await pair.clients[1].delete(path, headers={"Authorization": f"Bearer {bench.owner}"})
        assert answer.status_code == 204
        last = await following(found)
        assert last is not None
        assert last[0] == "revoke"
        assert await following(found) is None


async def test_a_follower_is_woken_by_lines_that_come_in_at_the_other(
    bench: Bench, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair.other.context.desk.followers, "_look_seconds", HOUR)  # it looks only when it is woken
    job_id = await bench.made()
    assert (await bench.ship(job_id, batch(0)["items"])).json() == {"accepted": 1}
    headers = {"Authorization": f"Bearer {bench.token}", "Accept": "text/event-stream"}
    async with pair.clients[1].stream("GET", f"/jobs/{job_id}/logs", headers=headers) as answer:
        found = events(answer.aiter_lines())
        assert (await anext(found))["data"]["seq"] == 0
        seq = 1

        async def hurried() -> bool:
            nonlocal seq
            said = (await bench.ship(job_id, batch(seq)["items"])).json()
            seq += 1
            return "flushMs" in said

        await until(hurried, True)  # the agent's replica knows that somebody follows, and asks it to send sooner
        seen = 0
        async with asyncio.timeout(60):
            while seen < seq - 1:
                seen = (await anext(found))["data"]["seq"]
        for last in range(seq, seq + 3):  # and each of these comes as it is stored, without a look
            assert (await bench.ship(job_id, batch(last)["items"])).status_code == 200
            async with asyncio.timeout(60):
                assert (await anext(found))["data"]["seq"] == last


async def test_a_caller_who_waits_at_one_is_woken_by_a_result_at_the_other(bench: Bench, pair: Pair) -> None:
    trigger = await bench.declare("wait", responseMode="sync")
    token = await bench.grant("w", {"type": "trigger", "triggers": ["wait"]})
    await told(Trigger, ApiToken)
    waiting = asyncio.create_task(bench.run(token=token, trigger=trigger))

    async def made() -> list[str]:
        return [job.name for job in await bench.kube.list(DeployJob, bench.namespace)]

    async def begun() -> int:
        return len(await made())

    await until(begun, 1)
    [job_id] = await made()
    at(bench, pair.other)
    await bench.kube.get(DeployJob, bench.namespace, job_id)
    assert (await bench.report(job_id, "running")).status_code == 204
    assert (await bench.report(job_id, "success", exitCode=0)).status_code == 204
    answer = await waiting
    assert (answer.status_code, answer.json()["status"], answer.json()["timedOut"]) == (200, "success", False)


async def test_the_one_that_sweeps_knows_what_the_other_one_sent(bench: Bench, pair: Pair) -> None:
    await leading(pair)
    leader, other = pair.leader_first()
    trigger = await bench.declare("short", timeouts={"queueSeconds": 5, "jobSeconds": 12})
    token = await bench.grant("t", {"type": "trigger", "triggers": ["short"]})
    await told(Trigger, ApiToken)
    async with streaming(bench, other) as found:
        answer = await bench.run(token=token, trigger=trigger)
        job_id = answer.json()["jobId"]
        assert await following(found) is not None  # sent, and never claimed
        # Never sent, it would have expired after five seconds; now its own time counts, from the sending.

        async def ended() -> str | None:
            found = await bench.shown_by(job_id, bench.owner)  # whose reads nobody counts
            return found["reason"] or None

        await until(ended, "timeout", seconds=120)
    assert leader.context.desk.leads


async def test_agents_of_the_other_one_are_connected(bench: Bench, pair: Pair) -> None:
    await leading(pair)
    _, other = pair.leader_first()

    async def state() -> str:
        return (await bench.kube.get(Agent, *key(bench))).status.state

    async with streaming(bench, other):
        await until(state, "Connected")
        await until(lambda: pair.connected(key(bench)), [True, True])
        for replica in pair.both:
            await replica.context.desk.sweeper.settle_agents()
            await replica.context.desk.presence.settle(await bench.kube.get(Agent, *key(bench)))
        assert await state() == "Connected"
        seen = [replica.context.desk.presence.last_seen(key(bench)) for replica in pair.both]
        assert None not in seen
