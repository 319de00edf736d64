"""StoredFiles that were written by kubectl: whatever they say, they reach nothing but an object of their own."""

from typing import Any

import pytest

from deplite.kube.client import KubeClient
from deplite.resources import StoredFile
from deplite.resources.identifiers import object_id
from deplite_apiserver.storage.s3 import S3Store
from tests.kube.edge.answers import refused
from tests.kube.files.conftest import keys
from tests.kube.files.doors import Door, of_person
from tests.kube.jobs.conftest import Bench
from tests.kube.serving import until

STRANGE: dict[str, dict[str, Any]] = {
    "nothing at all": {},
    "a type that is none": {"contentType": "text/html;\r\nSet-Cookie: x=1", "filename": "a"},
    "a name that is none": {"filename": "\x00\r\n/../\N{RIGHT-TO-LEFT OVERRIDE}"},
    "somebody else's key as a name": {"filename": "../../logs/org-other/j-x/index.json"},
    "a job that is not there": {"job": "absent", "jobUid": "00000000", "cleanupRule": "on_job_end"},
    "an agent that is not there": {"agent": "absent"},
    "a rule with another's time": {"cleanupRule": "persistent", "ttlSeconds": 60},
}


async def declare(bench: Bench, name: str, spec: dict[str, Any], status: dict[str, Any] | None = None) -> StoredFile:
    """Apply a StoredFile as an administrator could, and wait until the replica has heard of it."""
    metadata = {"name": name, "namespace": bench.namespace}
    made = await bench.kube.create(StoredFile.model_validate({"metadata": metadata, "spec": spec}))
    if status is not None:
        made = await bench.kube.patch_status(StoredFile, *made.key, status)

    async def known() -> bool:
        found = bench.replica.context.caches.files.get(*made.key)
        return found is not None and (status is None or found.stored == (status.get("phase") == "Stored"))

    await until(known, True)
    return made


@pytest.mark.parametrize("what", STRANGE)
async def test_it_is_a_file_like_any_other(stage: Bench, bucket: S3Store, what: str) -> None:
    door, name = of_person(stage), f"strange-{list(STRANGE).index(what)}"
    made = await declare(stage, name, STRANGE[what])
    file_id = object_id("f", stage.namespace, name)
    assert (await door.shown(file_id)).json()["status"] == "pending"
    refused(await door.complete(file_id), 409, "not_uploaded")
    await bucket.put(f"files/{stage.namespace}/{file_id}-{made.metadata.uid[:8]}", b"abc")
    assert (await door.complete(file_id)).json()["size"] == 3
    got = await door.content(file_id)
    assert (got.status_code, got.content) == (200, b"abc")
    assert got.headers["content-disposition"].startswith("attachment;")
    assert got.headers["content-type"] == "application/octet-stream"
    assert "set-cookie" not in got.headers
    assert (await door.delete(file_id)).status_code == 204
    assert await keys(bucket, stage.namespace, file_id) == []


@pytest.mark.parametrize(
    "status",
    [
        {"phase": "Stored"},
        {"phase": "Stored", "size": -(2**62), "checksum": "x" * 128},
        {"phase": "Stored", "size": 2**62, "expiresAt": "9999-12-31T23:59:59-12:00"},
    ],
)
async def test_a_status_that_says_stored_gives_nothing_away_and_fills_no_quota(
    bench: Bench, status: dict[str, Any]
) -> None:
    door = of_person(bench)
    made = await declare(bench, "lie", {"filename": "x"}, status)
    file_id = object_id("f", bench.namespace, made.name)
    refused(await door.address(file_id), 404, "not_found")
    assert (await door.shown(file_id)).json()["status"] == "stored"
    if status.get("size", 0) <= 0:
        await door.announce(size=1)
    assert (await door.delete(file_id)).status_code == 204
    await door.announce(size=1)


async def test_one_that_has_expired_is_gone_for_callers(bench: Bench) -> None:
    status = {"phase": "Stored", "size": 1, "expiresAt": "2026-01-01T00:00:00Z"}
    await declare(bench, "expired", {"job": "absent"}, status)
    door: Door = of_person(bench)
    file_id = object_id("f", bench.namespace, "expired")
    for answer in (
        await door.shown(file_id),
        await door.complete(file_id),
        await door.address(file_id),
        await door.delete(file_id),
    ):
        refused(answer, 404, "not_found")
    assert (await door.ask("GET", door.files, None)).json() == []


async def test_one_of_another_namespace_is_of_another_organization(
    stage: Bench, kube: KubeClient, bench: Bench
) -> None:
    await declare(bench, "theirs", {"bindingId": "x"})
    file_id = object_id("f", bench.namespace, "theirs")
    refused(await of_person(stage).shown(file_id), 404, "not_found")
    assert (await of_person(bench).shown(file_id)).status_code == 200
