"""Files whose time is over leave cluster and bucket, and so does what no file names; all else stays."""

import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite.resources import StoredFile
from deplite_apiserver.files.view import project
from deplite_apiserver.settings import Settings
from deplite_apiserver.storage.s3 import S3Store
from tests.kube.edge.people import People
from tests.kube.jobs.timeline import Timeline, timeline
from tests.kube.serving import until
from tests.organizations import create_organization, delete_namespace

HOUR = 3600


@pytest_asyncio.fixture
async def line(settings: Settings, kube: KubeClient, organization: str, people: People) -> AsyncIterator[Timeline]:
    async with timeline(settings, kube, organization, people) as made:
        yield made


async def keep(
    line: Timeline, bucket: S3Store, name: str, *, stored: bool = True, namespace: str | None = None, **spec: Any
) -> str:
    """Make a file with its object, known to the replica, and return the key."""
    kube, namespace = line.bench.kube, namespace or line.bench.namespace
    made = await kube.create(
        StoredFile.model_validate({"metadata": {"name": name, "namespace": namespace}, "spec": spec})
    )
    key = project(made).key
    await bucket.put(key, name.encode())
    if stored:
        now = line.clock.now()
        status = {"phase": "Stored", "size": len(name), "storedAt": now.isoformat()}
        if spec["cleanupRule"] == "ttl":
            status["expiresAt"] = (now + timedelta(seconds=spec["ttlSeconds"])).isoformat()
        await kube.patch_status(StoredFile, namespace, name, status)
    files = line.bench.replica.context.caches.files

    async def known() -> bool:
        found = files.get(namespace, name)
        return found is not None and found.stored is stored

    await until(known, True)
    return key


async def left(line: Timeline, bucket: S3Store) -> tuple[set[str], set[str]]:
    """Return the names of the files in the cluster and the contents of the objects in the bucket."""
    namespace = line.bench.namespace
    names = {file.name for file in await line.bench.kube.list(StoredFile, namespace)}
    objects = [await bucket.get(one.key) for one in await bucket.list(f"files/{namespace}/")]
    return names, {content.decode() for content in objects if content is not None}


async def test_each_rule_in_its_time(line: Timeline, bucket: S3Store) -> None:
    bench = line.bench
    job_id = await bench.made()
    job = {"cleanupRule": "on_job_end", "job": job_id, "jobUid": (await bench.job(job_id)).metadata.uid[:8]}
    await keep(line, bucket, "short", cleanupRule="ttl", ttlSeconds=1800)
    await keep(line, bucket, "long", cleanupRule="ttl", ttlSeconds=30 * HOUR)
    await keep(line, bucket, "forever", cleanupRule="persistent")
    await keep(line, bucket, "pending", stored=False, cleanupRule="persistent")
    await keep(line, bucket, "artifact", **job)
    everything = {"short", "long", "forever", "pending", "artifact"}
    await line.sweep()
    await until(lambda: left(line, bucket), (everything, everything))
    line.sleep(HOUR / 2 + 60)
    await line.sweep()
    await until(lambda: left(line, bucket), (everything - {"short"},) * 2)
    assert (await bench.report(job_id, "success", exitCode=0)).status_code == 204
    line.sleep(HOUR - 120)
    await line.sweep()
    await until(lambda: left(line, bucket), (everything - {"short"},) * 2)
    line.sleep(180)
    await line.sweep()
    await until(lambda: left(line, bucket), ({"long", "forever", "pending"},) * 2)
    line.sleep(5 * HOUR)
    await line.sweep()
    await until(lambda: left(line, bucket), ({"long", "forever"},) * 2)
    line.sleep(30 * HOUR)
    await line.sweep()
    await until(lambda: left(line, bucket), ({"forever"},) * 2)


async def test_an_object_that_lost_its_file_goes_and_others_stay(line: Timeline, bucket: S3Store) -> None:
    bench = line.bench
    kept = await keep(line, bucket, "kept", cleanupRule="persistent")
    lost = await keep(line, bucket, "lost", cleanupRule="persistent")
    await bench.kube.delete(StoredFile, bench.namespace, "lost")

    async def gone() -> bool:
        return bench.replica.context.caches.files.get(bench.namespace, "lost") is None

    await until(gone, True)
    line.sleep(1.9 * HOUR)
    await line.sweep()
    assert await bucket.get(lost) == b"lost"
    line.sleep(0.2 * HOUR)
    await line.sweep()
    assert await bucket.get(lost) is None
    assert await bucket.get(kept) == b"kept"


async def test_an_organization_that_is_gone_leaves_no_objects(
    line: Timeline, bucket: S3Store, kube: KubeClient
) -> None:
    namespace = f"org-{secrets.token_hex(5)}"
    await create_organization(kube, namespace)
    key = await keep(line, bucket, "theirs", namespace=namespace, cleanupRule="persistent")
    await delete_namespace(kube, namespace)

    async def left() -> tuple[int, bool]:
        cached = line.bench.replica.context.caches.files.get(namespace, "theirs")
        return len(await kube.list(StoredFile, namespace)), cached is not None

    await until(left, (0, False))
    line.sleep(3 * HOUR)
    await line.sweep()
    assert await bucket.get(key) is None
