"""Files of jobs: an agent reaches those of its own jobs, a replayed request meets the same file, the job shows them."""

import os
from typing import Any

from deplite.resources import DeployJob, StoredFile
from deplite_apiserver.settings import Settings
from tests.kube.edge.answers import refused
from tests.kube.edge.people import People
from tests.kube.files.doors import of_agent, of_person, put
from tests.kube.jobs.conftest import Bench, KubeClient, benched, enroll
from tests.kube.jobs.timeline import timeline
from tests.kube.serving import served


async def test_an_agent_reaches_the_files_of_its_own_jobs_only(stage: Bench) -> None:
    job_id = await stage.made()
    own = of_agent(stage, job_id)
    file_id = await own.stored(b"x", filename="a")
    other = await enroll(stage.kube, stage.namespace, stage.replica.base)
    announcing = f"/agent/jobs/{job_id}/files/presign-upload"
    refused(await other.call("POST", announcing, {}), 404, "not_found")
    refused(await stage.agent.call("POST", announcing.replace(job_id, "j-" + "a" * 26), {}), 404, "not_found")
    for method, path in (("POST", "/complete"), ("GET", ""), ("GET", "/download-url"), ("DELETE", "")):
        refused(await other.call(method, f"/agent/files/{file_id}{path}"), 404, "not_found")
    await other.close()
    people_s = await of_person(stage).stored(b"y")
    refused(await own.shown(people_s), 404, "not_found")
    assert (await own.shown(file_id)).json()["jobId"] == job_id


async def test_another_job_under_the_id_is_410(stage: Bench) -> None:
    job_id = await stage.made()
    path = f"/agent/jobs/{job_id}/files/presign-upload"
    answer = await stage.agent.call("POST", path, {}, extra={"X-Deplite-Job-Uid": "00000000-0000"})
    refused(answer, 410, "job_gone")
    uid = (await stage.job(job_id)).metadata.uid
    assert (await stage.agent.call("POST", path, {}, extra={"X-Deplite-Job-Uid": uid})).status_code == 201


async def test_a_query_on_a_signed_route_is_401(stage: Bench) -> None:
    file_id = await of_agent(stage, await stage.made()).stored(b"x")
    path, agent = f"/agent/files/{file_id}", stage.agent
    for query in ("?x=1", "?status=stored"):
        answer = await agent.http.get(f"{agent.base}{path}{query}", headers=agent.signed("GET", path, b""))
        refused(answer, 401, "bad_signature")


async def test_a_replayed_announcement_meets_the_same_file(
    settings: Settings, kube: KubeClient, organization: str, people: People
) -> None:
    nonce, other = os.urandom(16).hex(), os.urandom(16).hex()
    async with served(settings) as replica, benched(kube, organization, replica, people) as bench:
        path = f"/agent/jobs/{await bench.made()}/files/presign-upload"
        body: dict[str, Any] = {"filename": "a", "size": 5}
        first = await bench.agent.call("POST", path, body, nonce=nonce)
        assert first.status_code == 201, first.text
        assert (await put(first.json(), b"first")).status_code == 200
        refused(await bench.agent.call("POST", path, body, nonce=nonce), 401, "nonce_replayed")
        agent = bench.agent
        async with served(settings) as successor:  # which has not seen that nonce
            agent.base = successor.base
            again = await agent.call("POST", path, body, nonce=nonce)
            assert again.json()["fileId"] == first.json()["fileId"]
            assert len(await kube.list(StoredFile, organization)) == 1
            assert (await put(again.json(), b"other")).status_code == 412
            assert (await agent.call("POST", f"/agent/files/{first.json()['fileId']}/complete")).status_code == 200
            assert (await agent.call("POST", path, body, nonce=other)).json()["fileId"] != first.json()["fileId"]
        async with served(settings) as third:  # an agent that gives one nonce to two requests is refused
            agent.base = third.base
            refused(await agent.call("POST", path, {"filename": "b"}, nonce=nonce), 401, "nonce_replayed")
        assert len(await kube.list(StoredFile, organization)) == 2


async def test_a_job_shows_its_files_also_once_it_has_left_the_cluster(
    settings: Settings, kube: KubeClient, organization: str, people: People
) -> None:
    async with timeline(settings, kube, organization, people) as line:
        bench = line.bench
        job_id = await bench.made()
        assert (await bench.shown(job_id))["files"] == []
        door = of_agent(bench, job_id)
        stored = await door.stored(b"abc", filename="dist/a.txt", contentType="text/plain", cleanupRule="persistent")
        pending = (await door.announce(cleanupRule="persistent"))["fileId"]
        short = {"id": stored, "filename": "dist/a.txt", "size": 3, "contentType": "text/plain", "status": "stored"}
        shown = (await bench.shown(job_id))["files"]
        assert sorted(one["id"] for one in shown) == sorted([stored, pending])
        assert short in shown
        assert (await bench.report(job_id, "success", exitCode=0)).status_code == 204
        line.sleep(172_800)
        for _ in range(4):  # merged, archived, deleted, each in a round of its own
            line.sleep(100)
            await line.sweep()
        assert await kube.list(DeployJob, organization) == []
        assert short in (await bench.shown(job_id))["files"]


async def test_files_of_an_older_job_under_the_same_id_are_not_the_newer_ones(stage: Bench) -> None:
    job_id = await stage.made()
    older = {"job": job_id, "jobUid": "00000000", "agent": stage.agent_name, "filename": "older"}
    metadata = {"name": "older", "namespace": stage.namespace}
    await stage.kube.create(StoredFile.model_validate({"metadata": metadata, "spec": older}))
    door = of_agent(stage, job_id)
    file_id = await door.stored(b"x")
    assert [one["id"] for one in (await stage.shown(job_id))["files"]] == [file_id]
