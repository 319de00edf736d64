"""Redis away, slow, back empty or wrong about us, with two replicas at work."""

import asyncio
from pathlib import Path

import pytest

from deplite.kube.client import KubeClient
from deplite.protocol.phases import Phase
from deplite.resources import Agent, ApiToken, DeployJob, Organization, Trigger
from deplite_apiserver.settings import Settings
from deplite_apiserver.shared.settings import RedisSettings
from tests.faults.proxy import FaultProxy
from tests.kube.edge.people import People
from tests.kube.jobs.conftest import Bench, benched
from tests.kube.jobs.test_follow import batch
from tests.kube.replicas.conftest import Pair, paired, ready
from tests.kube.replicas.test_together import at, streaming
from tests.kube.serving import served, told, until
from tests.valkey import Valkey

OK = (200, "ok")


async def limited(bench: Bench, pair: Pair, name: str, count: int) -> list[tuple[int, str | None]]:
    """Run with a token of three runs a day, at each replica in turn; return codes and Retry-After."""
    answers = []
    for number in range(count):
        headers = {"Authorization": f"Bearer {TOKENS[name]}"}
        client = pair.clients[number % 2]
        answer = await client.post(f"/triggers/{bench.trigger_id}/run", json={"ref": "main"}, headers=headers)
        answers.append((answer.status_code, answer.headers.get("Retry-After")))
    return answers


TOKENS: dict[str, str] = {}


async def prepared(bench: Bench) -> None:
    TOKENS["three"] = await bench.grant("three", {"type": "trigger", "triggers": ["deploy"]}, rateLimit={"perDay": 3})
    await told(Agent, ApiToken, Organization, Trigger)


async def test_jobs_go_on_while_redis_is_away_and_limits_hold_when_it_is_back_empty(
    kube: KubeClient, organization: str, settings: Settings, mortal: Valkey, people: People
) -> None:
    async with paired(settings, mortal.settings) as pair, benched(kube, organization, pair.one, people) as bench:
        await prepared(bench)
        async with streaming(bench, pair.one) as stream:
            assert await limited(bench, pair, "three", 1) == [(202, None)]
            job_id = bench.agent.verify((await stream.get() or ("", {}))[1])["job_id"]
            assert (await bench.report(job_id, "running")).status_code == 204
            await mortal.kill()
            assert await limited(bench, pair, "three", 4) == [(503, "1")] * 4
            # What runs goes on, at either replica: the claim, its log, the result, heartbeats.
            for replica, seq in ((pair.one, 0), (pair.other, 1), (pair.one, 2)):
                at(bench, replica)
                assert (await bench.ship(job_id, batch(seq)["items"])).json()["accepted"] == 1
                assert (await bench.agent.call("POST", "/agent/heartbeat")).status_code == 204
            assert (await bench.report(job_id, "success", exitCode=0)).status_code == 204
            # A replay is refused by the replica that has seen it.
            signed = bench.agent.signed("POST", "/agent/heartbeat", b"")
            answers = [
                await client.post("/agent/heartbeat", headers=signed) for client in (*pair.clients, *pair.clients)
            ]
            assert [answer.status_code for answer in answers] == [204, 204, 401, 401]
            # Runs that nothing limits go on as well, and reach the agent.
            owner = {"Authorization": f"Bearer {bench.owner}"}
            manual = await pair.clients[1].post(
                f"/triggers/{bench.trigger_id}/run-manual", json={"ref": "main"}, headers=owner
            )
            assert manual.status_code == 202, manual.text
            assert bench.agent.verify((await stream.get() or ("", {}))[1])["job_id"] == manual.json()["jobId"]
            # Both are as ready as before: without them nothing of this would go on.
            assert [await ready(client) for client in pair.clients] == [OK, OK]
            await mortal.start()  # empty

            async def open_again() -> int:
                return (await limited(bench, pair, "three", 1))[0][0]

            # Three a day, of which the cluster knows one: two are left, whoever is asked.
            await until(open_again, 202, seconds=60)
            assert [code for code, _ in await limited(bench, pair, "three", 4)] == [202, 429, 429, 429]
            late = [await client.post("/agent/heartbeat", headers=signed) for client in pair.clients]
            assert [answer.status_code for answer in late] == [401, 401]
            assert len(await kube.list(DeployJob, organization)) == 4


async def test_replicas_that_start_without_redis_serve_what_needs_none(
    kube: KubeClient, organization: str, settings: Settings, mortal: Valkey, people: People
) -> None:
    await mortal.kill()
    async with (
        served(settings.model_copy(update={"redis": mortal.settings})) as replica,
        benched(kube, organization, replica, people) as bench,
        replica.client() as client,
    ):
        await prepared(bench)
        assert await ready(client) == OK
        path, headers = f"/triggers/{bench.trigger_id}/run", {"Authorization": f"Bearer {TOKENS['three']}"}
        refused = await client.post(path, json={"ref": "main"}, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert int(refused.headers["Retry-After"]) >= 1
        assert (await bench.agent.call("POST", "/agent/heartbeat")).status_code == 204
        await mortal.start()

        async def run() -> int:
            return (await client.post(path, json={"ref": "main"}, headers=headers)).status_code

        await until(run, 202, seconds=60)


async def test_a_wrong_password_makes_a_new_replica_unready(
    settings: Settings, valkey: Valkey, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = tmp_path / "password"
    wrong.write_text("not-it-at-all")
    redis = valkey.settings.model_copy(update={"password_file": wrong})
    async with served(settings.model_copy(update={"redis": redis})) as replica, replica.client() as client:
        assert await ready(client) == (503, "redis refuses us")
        assert "DEPLITE_REDIS_PASSWORD_FILE" in caplog.text
        assert "not-it-at-all" not in caplog.text
        wrong.write_text(valkey.password_file.read_text())
        await until(lambda: ready(client), OK, seconds=60)


async def test_a_slow_redis_makes_calls_slow_and_nothing_else(
    kube: KubeClient, organization: str, settings: Settings, mortal: Valkey, people: People
) -> None:
    async with FaultProxy(mortal.port) as proxy:
        redis = RedisSettings(url=f"redis://127.0.0.1:{proxy.port}", password_file=mortal.password_file)
        async with paired(settings, redis) as pair, benched(kube, organization, pair.one, people) as bench:
            await prepared(bench)
            proxy.delay = 0.1
            assert [code for code, _ in await limited(bench, pair, "three", 5)] == [202, 202, 202, 429, 429]
            proxy.delay = 10.0  # beyond everybody's patience: as good as away
            assert [code for code, _ in await limited(bench, pair, "three", 2)] == [503, 503]

            async def away() -> list[bool]:
                return [replica.context.shared.link.away for replica in pair.both]

            await until(away, [True, True])
            for replica in pair.both:
                at(bench, replica)
                assert (await bench.agent.call("POST", "/agent/heartbeat")).status_code == 204
            proxy.delay = 0.0

            async def refused() -> list[int]:
                return [code for code, _ in await limited(bench, pair, "three", 2)]

            await until(refused, [429, 429], seconds=60)


async def test_nobody_is_lost_for_what_happened_while_redis_was_away(
    kube: KubeClient, organization: str, settings: Settings, mortal: Valkey, people: People
) -> None:
    hasty = settings.model_copy(update={"lost_seconds": 20.0})
    async with paired(hasty, mortal.settings) as pair, benched(kube, organization, pair.one, people) as bench:
        await prepared(bench)
        job_id = await bench.made()
        assert (await bench.report(job_id, "running")).status_code == 204
        await mortal.kill()
        # Its agent calls one replica only; the one that sweeps hears nothing of that for longer than it may be silent.
        _, other = pair.leader_first()
        at(bench, other)
        for _ in range(30):
            assert (await bench.agent.call("POST", "/agent/heartbeat")).status_code == 204
            await asyncio.sleep(1)
        assert (await bench.job(job_id)).status.phase is Phase.RUNNING
