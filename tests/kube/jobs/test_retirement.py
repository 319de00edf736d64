"""Finished jobs: their logs merged, archived after their time, served on; and what a REST call left half made."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite.kube.errors import NotFoundError
from deplite.protocol.phases import Reason
from deplite.resources import ApiToken, DeployJob, EnrollmentToken
from deplite.resources.resource import Resource
from deplite_apiserver.jobs.transition import Ended, Transitions
from deplite_apiserver.settings import Settings
from deplite_apiserver.storage.s3 import S3Store
from tests.kube.edge.answers import refused
from tests.kube.edge.people import People
from tests.kube.jobs.conftest import make_token
from tests.kube.jobs.timeline import Timeline, made_at, timeline
from tests.kube.serving import forgotten, served

TTL = 172_800


@pytest_asyncio.fixture
async def line(settings: Settings, kube: KubeClient, organization: str, people: People) -> AsyncIterator[Timeline]:
    async with timeline(settings, kube, organization, people) as made:
        yield made


async def finished(line: Timeline, lines: int = 5, **run: Any) -> str:
    """Run a job to its end, with a batch a line."""
    job_id = await line.bench.made(**run)
    for seq in range(lines):
        answer = await line.bench.ship(job_id, [{"seq": seq, "stream": "raw", "content": f"line {seq}"}])
        assert answer.status_code == 200, answer.text
    assert (await line.bench.report(job_id, "success", exitCode=0, output={"url": "https://x"})).status_code == 204
    return job_id


async def later(line: Timeline, seconds: float) -> None:
    line.sleep(seconds)
    await line.sweep()


async def kinds(bucket: S3Store, line: Timeline, job_id: str) -> list[str]:
    """Return what the log of a job consists of: `p` for each part, `m` merged, `i` for the index."""
    found = await bucket.list(f"logs/{line.bench.namespace}/{job_id}-")
    return sorted(one.key.split("/")[3][0] for one in found)


async def seqs(line: Timeline, job_id: str) -> list[int]:
    answer = await line.bench.get(f"/jobs/{job_id}/logs")
    assert answer.status_code == 200, answer.text
    return [item["seq"] for item in answer.json()["items"]]


async def exists(line: Timeline, kind: type[Resource], name: str) -> bool:
    try:
        await line.bench.kube.get(kind, line.bench.namespace, name)
    except NotFoundError:
        return False
    return True


async def test_a_log_becomes_two_objects_and_late_lines_join_them(line: Timeline, bucket: S3Store) -> None:
    job_id = await finished(line)
    await later(line, 200)
    assert await kinds(bucket, line, job_id) == ["p"] * 5
    await later(line, 110)
    assert await kinds(bucket, line, job_id) == ["i", "m", *"ppppp"]
    assert await seqs(line, job_id) == list(range(5))
    await later(line, 65)
    assert await kinds(bucket, line, job_id) == ["i", "m"]
    assert await seqs(line, job_id) == list(range(5))
    late = [{"seq": seq, "stream": "raw", "content": "late"} for seq in (2, 7)]
    assert (await line.bench.ship(job_id, late)).json()["accepted"] == 1
    assert await kinds(bucket, line, job_id) == ["i", "m", "p"]
    assert await seqs(line, job_id) == [0, 1, 2, 3, 4, 7]  # from both at once
    assert (await line.bench.get(f"/jobs/{job_id}/logs?fromSeq=4&limit=1")).json()["nextSeq"] == 5
    await later(line, 1)
    await later(line, 65)
    assert await kinds(bucket, line, job_id) == ["i", "m"]
    assert await seqs(line, job_id) == [0, 1, 2, 3, 4, 7]


async def test_a_process_that_takes_over_finishes_what_was_begun(
    line: Timeline, bucket: S3Store, settings: Settings
) -> None:
    job_id = await finished(line)
    await later(line, 310)
    assert await kinds(bucket, line, job_id) == ["i", "m", *"ppppp"]
    async with served(settings, line.clock) as fresh:
        for seconds in (0, 65):
            line.sleep(seconds)
            await line.sweep(fresh.context.desk)
    assert await kinds(bucket, line, job_id) == ["i", "m"]
    assert await seqs(line, job_id) == list(range(5))


async def test_after_its_time_a_job_is_archived_deleted_and_served_on(line: Timeline, bucket: S3Store) -> None:
    bench = line.bench
    brief = await bench.declare("brief", ttlSecondsAfterFinished=600)
    grants = [{"type": "trigger", "triggers": ["brief"]}]
    token = await bench.grant("brief", *grants)
    job_id = await finished(line, trigger=brief, token=token)
    before = await bench.shown_by(job_id, token)
    for seconds in (310, 65, 240):
        await later(line, seconds)
        assert await exists(line, DeployJob, job_id)
    archived = await bucket.list(f"jobs/{bench.namespace}/{job_id}-")
    assert len(archived) == 1
    await later(line, 65)
    assert not await exists(line, DeployJob, job_id)
    await forgotten(bench.replica.context.caches.jobs, bench.namespace, job_id)
    assert await bench.shown_by(job_id, token) == before
    logs = await bench.get(f"/jobs/{job_id}/logs", token=token)
    assert [item["seq"] for item in logs.json()["items"]] == list(range(5))
    owner = {"Authorization": f"Bearer {bench.owner}"}
    assert (await bench.http.get(f"/jobs/{job_id}", headers=owner)).json() == before
    for path in (f"/jobs/{job_id}", f"/jobs/{job_id}/logs"):
        refused(await bench.get(path), 404, "not_found")  # the token of another trigger
    refused(await bench.report(job_id, "success"), 404, "not_found")


async def test_a_job_with_a_key_is_there_for_48_hours_whatever_the_trigger_says(line: Timeline) -> None:
    bench = line.bench
    brief = await bench.declare("brief", ttlSecondsAfterFinished=60)
    grants = [{"type": "trigger", "triggers": ["brief", "deploy"]}]
    token = await bench.grant("brief", *grants)
    keyed = await finished(line, trigger=brief, token=token, key="k")
    free = await finished(line, trigger=brief, token=token)
    for seconds in (70, 65, 1, 65, TTL - 400):
        await later(line, seconds)
    assert not await exists(line, DeployJob, free)
    assert await exists(line, DeployJob, keyed)
    replay = await bench.run(trigger=brief, token=token, key="k")
    assert (replay.json()["jobId"], replay.json()["idempotent"]) == (keyed, True)
    for seconds in (300, 65, 65):
        await later(line, seconds)
    assert not await exists(line, DeployJob, keyed)
    async with asyncio.timeout(60):
        while (anew := await bench.run(trigger=brief, token=token, key="k")).json()["idempotent"]:
            await asyncio.sleep(0.05)
    assert anew.json()["jobId"] == keyed
    assert (await bench.shown_by(keyed, token))["status"] == "queued"  # the newest under the id
    logs = await bench.get(f"/jobs/{keyed}/logs", token=token)
    assert logs.json()["items"] == []


async def test_a_result_that_comes_between_archiving_and_deleting_is_archived_too(
    line: Timeline, bucket: S3Store
) -> None:
    bench = line.bench
    job_id = await bench.made()
    assert (await bench.report(job_id, "running")).status_code == 204
    ended = Ended(reason=Reason.AGENT_LOST, at=line.clock.now())
    await Transitions(bench.kube, lambda _: None).apply(bench.namespace, job_id, ended)
    async with asyncio.timeout(60):
        while (await bench.status(job_id))[0] != "failed":
            await asyncio.sleep(0.05)
    for seconds in (310, TTL):
        await later(line, seconds)
    assert len(await bucket.list(f"jobs/{bench.namespace}/{job_id}-")) == 1
    assert (await bench.report(job_id, "success", exitCode=0)).status_code == 202
    await later(line, 65)
    assert await exists(line, DeployJob, job_id)
    await later(line, 65)
    assert not await exists(line, DeployJob, job_id)
    [archived] = await bucket.list(f"jobs/{bench.namespace}/{job_id}-")
    data = await bucket.get(archived.key)
    assert data is not None
    late = DeployJob.model_validate_json(data).status.late_result
    assert late is not None
    assert late.exit_code == 0


async def test_what_rest_left_half_made_goes_after_ten_minutes(line: Timeline) -> None:
    kube, namespace = line.bench.kube, line.bench.namespace
    grants = [{"type": "trigger", "triggers": ["deploy"]}]
    for kind, spec in ((ApiToken, {"grants": grants}), (EnrollmentToken, {})):
        for name, minted_by in (("half", "api"), ("declared", "operator")):
            metadata = {"name": name, "namespace": namespace}
            spec |= {"mintedBy": minted_by}
            made = await kube.create(kind.model_validate({"metadata": metadata, "spec": spec}))
            line.clock.reach(made_at(made))
    await make_token(kube, namespace, "whole", grants=grants, mintedBy="api")

    def known() -> int:
        caches = line.bench.replica.context.caches
        return sum(len(cache.by("namespace", namespace)) for cache in (caches.tokens, caches.enrollments))

    async with asyncio.timeout(60):
        while known() < 7 or not line.bench.replica.context.caches.tokens.get(namespace, "whole").status.hashes:
            await asyncio.sleep(0.05)
    await later(line, 590)
    assert await exists(line, ApiToken, "half")
    await later(line, 130)  # they were made by the cluster's clock, which went on since this one stands still
    for kind in (ApiToken, EnrollmentToken):
        assert not await exists(line, kind, "half")
        assert await exists(line, kind, "declared")
    assert await exists(line, ApiToken, "whole")
    assert await exists(line, ApiToken, "ci")
