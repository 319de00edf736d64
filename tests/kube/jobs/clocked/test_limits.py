"""Limits of tokens and workflows: exact in each window, told in both clients' words, free for replays."""

import asyncio
import time
from datetime import UTC, datetime

import pytest

from deplite.resources import Agent, DeployJob
from deplite_apiserver.jobs.callers import TOKEN_READS_PER_MINUTE
from deplite_apiserver.settings import Settings
from tests.kube.edge.answers import refused
from tests.kube.jobs.conftest import Bench
from tests.kube.serving import MovableClock, served

GRANTS = [{"type": "trigger", "triggers": ["deploy"]}]


def to_the_start_of_a(window: int, clock: MovableClock) -> None:
    """Move to just after a window began, so that it does not end while a test runs."""
    clock.ahead += window - clock.time() % window + 0.5


async def limited(bench: Bench, name: str, **limit: int) -> str:
    return await bench.grant(name, *GRANTS, rateLimit=limit)


WINDOWS = [("perMinute", "minute", 60), ("perHour", "hour", 3600), ("perDay", "day", 86_400)]


@pytest.mark.parametrize(("member", "window", "seconds"), WINDOWS)
async def test_each_window_lets_exactly_its_limit_through_and_ends_by_the_clock(
    bench: Bench, clock: MovableClock, member: str, window: str, seconds: int
) -> None:
    to_the_start_of_a(seconds, clock)
    token = await limited(bench, window, **{member: 3})
    answers = await asyncio.gather(*(bench.run(token=token) for _ in range(12)))
    assert sorted(answer.status_code for answer in answers) == [202] * 3 + [429] * 9
    body = refused(next(answer for answer in answers if answer.status_code == 429), 429, "rate_limited")
    told = {key: body[key] for key in ("error", "scope", "window", "limit", "observed")}
    assert told == {"error": "rate_limited", "scope": "token", "window": window, "limit": 3, "observed": 3}
    assert seconds - 60 <= body["retryAfter"] <= seconds
    assert len(await bench.kube.list(DeployJob, bench.namespace)) == 3
    clock.ahead += body["retryAfter"]
    assert (await bench.run(token=token)).status_code == 202


async def test_the_window_that_ends_last_is_told(bench: Bench, clock: MovableClock) -> None:
    to_the_start_of_a(86_400, clock)
    token = await limited(bench, "both", perMinute=1, perDay=1)
    assert (await bench.run(token=token)).status_code == 202
    body = refused(await bench.run(token=token), 429, "rate_limited")
    assert (body["window"], body["retryAfter"] > 3600) == ("day", True)


async def test_replays_refusals_and_mistakes_count_nothing(bench: Bench, clock: MovableClock) -> None:
    to_the_start_of_a(3600, clock)
    token = await limited(bench, "free", perHour=2)
    first = await bench.run(token=token, key="a")
    for _ in range(3):
        assert (await bench.run(token=token, key="a")).json()["jobId"] == first.json()["jobId"]
        assert (await bench.run({"ref": "dev"}, token=token)).status_code == 403
        assert (await bench.run({"ref": "-rf"}, token=token)).status_code == 422
        assert (await bench.run({"ref": "release/1"}, token=token, key="a")).status_code == 409
    assert (await bench.run(token=token, key="b")).status_code == 202
    refused(await bench.run(token=token, key="c"), 429, "rate_limited")
    assert (await bench.run(token=token, key="b")).json()["idempotent"] is True


async def test_of_equal_keys_at_once_one_is_counted(bench: Bench, clock: MovableClock) -> None:
    to_the_start_of_a(3600, clock)
    token = await limited(bench, "once", perHour=2)
    answers = await asyncio.gather(*(bench.run(token=token, key="same") for _ in range(10)))
    assert {answer.status_code for answer in answers} == {202}
    assert [(await bench.run(token=token)).status_code for _ in range(2)] == [202, 429]


async def test_a_workflow_is_limited_for_all_callers_together(bench: Bench, clock: MovableClock) -> None:
    to_the_start_of_a(3600, clock)
    limits = [{"workflow": "deploy-prod", "perHour": 2}, {"workflow": "other", "perHour": 1}]
    await bench.kube.patch(Agent, bench.namespace, bench.agent_name, {"spec": {"workflowRateLimits": limits}})
    second = await limited(bench, "second", perHour=100)
    async with asyncio.timeout(60):
        while not bench.replica.context.caches.agents.by("namespace", bench.namespace)[0].spec.workflow_rate_limits:
            await asyncio.sleep(0.05)
    assert (await bench.run()).status_code == 202
    assert (await bench.run(token=second)).status_code == 202
    for token in (bench.token, second):
        body = refused(await bench.run(token=token), 429, "rate_limited")
        assert (body["scope"], body["window"], body["limit"]) == ("workflow", "hour", 2)
    headers = {"Authorization": f"Bearer {bench.owner}"}
    by_hand = await bench.http.post(f"/triggers/{bench.trigger_id}/run-manual", json={"ref": "main"}, headers=headers)
    refused(by_hand, 429, "rate_limited")


async def test_a_restart_does_not_open_the_windows_again(bench: Bench, clock: MovableClock, settings: Settings) -> None:
    if time.time() % 3600 > 3540:  # jobs bear the API server's time, and a new process counts those of this hour
        await asyncio.sleep(3601 - time.time() % 3600)
    clock.ahead = 0.0
    clock.reach(datetime.now(UTC))
    token = await limited(bench, "kept", perHour=2)
    assert [(await bench.run(token=token)).status_code for _ in range(3)] == [202, 202, 429]
    headers = {"Authorization": f"Bearer {token}"}
    async with served(settings) as fresh, fresh.client() as http:
        path = f"/triggers/{bench.trigger_id}/run"
        refused(await http.post(path, json={"ref": "main"}, headers=headers), 429, "rate_limited")


async def test_reads_of_a_token_are_limited_by_the_minute_and_those_of_people_are_not(
    bench: Bench, clock: MovableClock
) -> None:
    job_id = await bench.made()
    began = clock.time()

    async def read(number: int) -> int:
        clock.ahead += min(began - clock.time(), 0.0)  # time stands still: a slow machine must not see a minute end
        return (await bench.get(f"/jobs/{job_id}" + ("/logs" if number % 50 == 0 else ""))).status_code

    assert {await read(number) for number in range(TOKEN_READS_PER_MINUTE)} == {200}
    assert await read(0) == 429
    body = refused(await bench.get(f"/jobs/{job_id}"), 429, "rate_limited")
    told = (body["scope"], body["window"], body["limit"])
    assert told == ("token_read", "minute", TOKEN_READS_PER_MINUTE)
    assert 1 <= body["retryAfter"] <= 60
    assert (await bench.run()).status_code == 202  # runs are counted apart
    owner = {"Authorization": f"Bearer {bench.owner}"}
    assert (await bench.http.get(f"/jobs/{job_id}", headers=owner)).status_code == 200
    clock.ahead += body["retryAfter"]
    assert (await bench.get(f"/jobs/{job_id}")).status_code == 200
