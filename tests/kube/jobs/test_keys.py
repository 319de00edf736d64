"""Idempotency keys: the name is the lock, and a replay tells the job's present state."""

import asyncio
import time

import httpx
import pytest

from deplite.resources import DeployJob, Trigger
from deplite.resources.deployjob import KEYED_TTL_SECONDS
from deplite_apiserver.settings import Settings
from tests.kube.edge.answers import refused
from tests.kube.edge.people import People
from tests.kube.jobs.conftest import Bench
from tests.kube.serving import served


async def with_keys(stage: Bench, *keys: bytes) -> httpx.Response:
    headers = [(b"Authorization", f"Bearer {stage.token}".encode()), *((b"Idempotency-Key", key) for key in keys)]
    return await stage.http.post(f"/triggers/{stage.trigger_id}/run", content=b'{"ref":"main"}', headers=headers)


@pytest.mark.parametrize(
    "keys",
    [[b""], [b"x" * 256], [b"a\tb"], [b"a\x01b"], [b"a\x7f"], ["schlüssel".encode()], [b"\xff"], [b"a", b"a"]],
    ids=repr,
)
async def test_a_key_that_is_none_is_422_and_makes_no_job(stage: Bench, keys: list[bytes]) -> None:
    before = len(await stage.kube.list(DeployJob, stage.namespace))
    refused(await with_keys(stage, *keys), 422, "invalid_idempotency_key")
    assert len(await stage.kube.list(DeployJob, stage.namespace)) == before


@pytest.mark.parametrize("key", [b"k", b"x" * 255, b"a b", b"!~{}\"'\\", b"../x", b"a,b"], ids=repr)
async def test_any_visible_key_is_a_key(stage: Bench, key: bytes) -> None:
    first, second = await with_keys(stage, key), await with_keys(stage, key)
    assert (first.status_code, second.status_code) == (202, 202)
    assert (first.json()["idempotent"], second.json()["idempotent"]) == (False, True)
    assert first.json()["jobId"] == second.json()["jobId"]


async def test_without_a_key_each_run_is_a_job(stage: Bench) -> None:
    assert await stage.made() != await stage.made()


async def test_a_replay_tells_the_present_state(stage: Bench) -> None:
    async def replayed() -> tuple[str, int | None, bool]:
        answer = await stage.run(key="life")
        assert answer.status_code == 202, answer.text
        return answer.json()["status"], answer.json().get("exitCode"), answer.json()["idempotent"]

    job_id = await stage.made(key="life")
    assert await replayed() == ("queued", None, True)
    assert (await stage.report(job_id, "running")).status_code == 204
    assert await replayed() == ("running", None, True)
    assert (await stage.report(job_id, "failed", exitCode=9, errorMessage="no space")).status_code == 204
    assert await replayed() == ("failed", 9, True)
    assert (await stage.run(key="life")).json()["errorMessage"] == "no space"


async def test_another_body_under_the_key_is_409_in_every_state(stage: Bench) -> None:
    job_id = await stage.made(key="other")
    for status in (None, "running", "success"):
        if status is not None:
            assert (await stage.report(job_id, status)).status_code == 204
        for body in ({"ref": "release/1"}, {"ref": "main", "debug": True}, {"ref": "main", "params": {"replicas": 3}}):
            refused(await stage.run(body, key="other"), 409, "idempotency_conflict")
    assert (await stage.run({"ref": "main"}, key="other")).json()["idempotent"] is True


async def test_a_body_spelled_otherwise_is_the_same_body(stage: Bench) -> None:
    headers = {"Authorization": f"Bearer {stage.token}", "Idempotency-Key": "spelled"}
    answers = [
        await stage.http.post(f"/triggers/{stage.trigger_id}/run", content=body, headers=headers)
        for body in (
            b'{"ref":"main","params":{"replicas":3}}',
            b' { "params" : { "replicas" : 3.0 } , "r\\u0065f" : "main" } ',
        )
    ]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json()["jobId"] == answers[1].json()["jobId"]


async def test_the_key_of_another_token_trigger_or_person_is_another_key(stage: Bench) -> None:
    grants = [{"type": "agent", "agents": [stage.agent_name]}]
    other = await stage.grant("second", *grants)
    twin = await stage.declare("twin")
    jobs = {
        await stage.made(key="shared"),
        await stage.made(key="shared", token=other),
        await stage.made(key="shared", token=other, trigger=twin),
    }
    headers = {"Authorization": f"Bearer {stage.owner}", "Idempotency-Key": "shared"}
    by_hand = await stage.http.post(f"/triggers/{stage.trigger_id}/run-manual", json={"ref": "main"}, headers=headers)
    assert by_hand.status_code == 202, by_hand.text
    jobs.add(by_hand.json()["jobId"])
    assert len(jobs) == 4


async def test_a_job_with_a_key_stays_48_hours_at_least(stage: Bench) -> None:
    brief = await stage.declare("brief", ttlSecondsAfterFinished=60)
    token = await stage.grant("brief", {"type": "trigger", "triggers": ["brief"]})
    keyed = await stage.job(await stage.made(key="k", trigger=brief, token=token))
    free = await stage.job(await stage.made(trigger=brief, token=token))
    assert (keyed.spec.ttl_seconds_after_finished, free.spec.ttl_seconds_after_finished) == (KEYED_TTL_SECONDS, 60)


async def test_a_replay_is_answered_though_the_trigger_was_suspended_since(bench: Bench) -> None:
    job_id = await bench.made(key="before")
    await bench.kube.patch(Trigger, bench.namespace, "deploy", {"spec": {"suspended": True}})
    async with asyncio.timeout(60):  # a key of its own for each try: one that was accepted is answered for ever
        while (await bench.run(key=f"after-{time.monotonic_ns()}")).status_code != 403:
            await asyncio.sleep(0.05)
    replay = await bench.run(key="before")
    assert (replay.status_code, replay.json()["jobId"]) == (202, job_id)


async def test_equal_keys_at_two_processes_at_once_are_one_job(
    bench: Bench, settings: Settings, people: People
) -> None:
    headers = {"Authorization": f"Bearer {bench.token}"}
    async with served(settings) as second, second.client() as http:
        for number in range(5):
            keyed = headers | {"Idempotency-Key": f"round-{number}"}
            path = f"/triggers/{bench.trigger_id}/run"
            calls = [
                client.post(path, json={"ref": "main"}, headers=keyed)
                for client in (bench.http, http)
                for _ in range(5)
            ]
            answers = await asyncio.gather(*calls)
            assert {answer.status_code for answer in answers} == {202}
            assert len({answer.json()["jobId"] for answer in answers}) == 1
            assert sum(not answer.json()["idempotent"] for answer in answers) == 1
    assert len(await bench.kube.list(DeployJob, bench.namespace)) == 5


async def test_a_process_that_has_just_started_knows_the_keys_of_before(bench: Bench, settings: Settings) -> None:
    job_id = await bench.made(key="before")
    headers = {"Authorization": f"Bearer {bench.token}", "Idempotency-Key": "before"}
    async with served(settings) as fresh, fresh.client() as http:
        answer = await http.post(f"/triggers/{bench.trigger_id}/run", json={"ref": "main"}, headers=headers)
    assert (answer.status_code, answer.json()["jobId"], answer.json()["idempotent"]) == (202, job_id, True)


async def test_once_the_job_is_gone_the_key_is_a_new_job_with_the_same_id(bench: Bench) -> None:
    job_id = await bench.made(key="again")
    before = await bench.job(job_id)
    await bench.kube.delete(DeployJob, bench.namespace, job_id)
    async with asyncio.timeout(60):
        while (answer := await bench.run(key="again")).json()["idempotent"]:
            await asyncio.sleep(0.05)
    assert (answer.status_code, answer.json()["jobId"]) == (202, job_id)
    assert (await bench.job(job_id)).metadata.uid != before.metadata.uid
