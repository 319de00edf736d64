"""Claims: one process of one agent holds a job; the first word of a published client is a claim, too."""

import asyncio

import pytest

from deplite.resources import DeployJob
from tests.kube.edge.answers import refused
from tests.kube.jobs.conftest import Bench

ONE, TWO = {"X-Deplite-Instance": "one"}, {"X-Deplite-Instance": "two"}
LINE = [{"seq": 0, "stream": "raw", "content": "x"}]


async def test_the_same_process_claims_again_and_another_one_does_not(stage: Bench) -> None:
    job_id = await stage.made()
    for _ in range(3):
        assert (await stage.report(job_id, "running", extra=ONE)).status_code == 204
    started = (await stage.shown(job_id))["startedAt"]
    for other in (TWO, None):
        refused(await stage.report(job_id, "running", extra=other), 409, "already_claimed")
        refused(await stage.report(job_id, "success", extra=other), 409, "already_claimed")
        refused(await stage.ship(job_id, LINE, extra=other), 409, "already_claimed")
    assert await stage.status(job_id) == ("running", None)
    assert (await stage.report(job_id, "success", extra=ONE)).status_code == 204
    assert (await stage.shown(job_id))["startedAt"] == started
    refused(await stage.report(job_id, "success", extra=TWO), 409, "already_claimed")


async def test_of_many_claims_at_once_one_process_gets_the_job(stage: Bench) -> None:
    job_id = await stage.made()
    names = [str(number % 4) for number in range(16)]
    answers = await asyncio.gather(
        *(stage.report(job_id, "running", extra={"X-Deplite-Instance": name}) for name in names)
    )
    holder = (await stage.job(job_id)).status.instance
    assert holder is not None
    for name, answer in zip(names, answers, strict=True):
        assert answer.status_code == (204 if name == holder else 409), answer.text


async def test_an_ended_job_cannot_be_claimed(stage: Bench) -> None:
    job_id = await stage.made()
    assert (await stage.report(job_id, "success", extra=ONE)).status_code == 204
    for who in (ONE, TWO, None):
        refused(await stage.report(job_id, "running", extra=who), 409, "job_finished")


@pytest.mark.parametrize("extra", [None, ONE])
async def test_first_lines_claim_and_so_does_a_result(stage: Bench, extra: dict[str, str] | None) -> None:
    by_lines, by_result = await stage.made(), await stage.made()
    assert (await stage.ship(by_lines, [], extra=extra)).status_code == 200
    assert await stage.status(by_lines) == ("running", None)
    assert (await stage.report(by_lines, "running", extra=extra)).status_code == 204
    assert (await stage.report(by_result, "success", extra=extra)).status_code == 204
    shown = await stage.shown(by_result)
    assert (shown["status"], shown["startedAt"] is not None) == ("success", True)
    for job_id in (by_lines, by_result):
        assert (await stage.job(job_id)).status.instance == (extra or {}).get("X-Deplite-Instance")


async def test_lines_after_the_end_are_taken(stage: Bench) -> None:
    job_id = await stage.made()
    assert (await stage.report(job_id, "success")).status_code == 204
    answer = await stage.ship(job_id, LINE)
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1)
    assert await stage.status(job_id) == ("success", None)


async def test_a_job_that_was_replaced_is_gone_for_the_agent_of_the_old_one(bench: Bench) -> None:
    job_id = await bench.made(key="k")
    old = (await bench.job(job_id)).metadata.uid
    await bench.kube.delete(DeployJob, bench.namespace, job_id)
    async with asyncio.timeout(60):
        while (await bench.run(key="k")).json()["idempotent"]:
            await asyncio.sleep(0.05)
    new = (await bench.job(job_id)).metadata.uid
    assert new != old
    for uid in (old, "0", ""):
        extra = {"X-Deplite-Job-Uid": uid}
        refused(await bench.report(job_id, "running", extra=extra), 410, "job_gone")
        refused(await bench.report(job_id, "success", extra=extra), 410, "job_gone")
        refused(await bench.ship(job_id, LINE, extra=extra), 410, "job_gone")
    assert await bench.status(job_id) == ("queued", None)
    extra = {"X-Deplite-Job-Uid": new}
    assert (await bench.report(job_id, "running", extra=extra)).status_code == 204
    assert (await bench.ship(job_id, LINE, extra=extra)).status_code == 200
    assert (await bench.report(job_id, "success", extra=extra)).status_code == 204
    assert (await bench.get(f"/jobs/{job_id}/logs")).json()["items"][0]["content"] == "x"
