"""What is refused: announcements that are wrong, and uploads that are not what was announced."""

import hashlib
import secrets
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from deplite.resources import StoredFile
from deplite_apiserver.settings import Settings
from deplite_apiserver.storage.s3 import S3Store
from tests.kube.edge.answers import refused
from tests.kube.edge.trails import recorded_of
from tests.kube.files.conftest import keys
from tests.kube.files.doors import Door, of_person, put
from tests.kube.jobs.conftest import Bench

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"size": 0}, "size"),
    ({"size": -1}, "size"),
    ({"size": 5 * 2**40 + 1}, "size"),
    ({"size": 2**70}, "size"),
    ({"size": "3"}, "size"),
    ({"size": 3.5}, "size"),
    ({"size": True}, "size"),
    ({"contentType": "text/html;\r\nX: y"}, "contentType"),
    ({"contentType": "text/html\n"}, "contentType"),
    ({"contentType": "html"}, "contentType"),
    ({"contentType": ""}, "contentType"),
    ({"contentType": "text/ü"}, "contentType"),
    ({"contentType": "text/html; " + "x" * 245}, "contentType"),
    ({"filename": "a" * 256}, "filename"),
    ({"filename": "a" * 300}, "filename"),
    ({"filename": ""}, "filename"),
    ({"filename": "a\x00b"}, "filename"),
    ({"filename": "a\nb"}, "filename"),
    ({"filename": "a\x85b"}, "filename"),
    ({"filename": "\ud800"}, "filename"),
    ({"filename": 3}, "filename"),
    ({"sha256": "A" * 64}, "sha256"),
    ({"sha256": "a" * 63}, "sha256"),
    ({"sha256": "a" * 64 + "\n"}, "sha256"),
    ({"cleanupRule": "never"}, "cleanupRule"),
    ({"ttlSeconds": 59}, "ttlSeconds"),
    ({"ttlSeconds": 31_536_001}, "ttlSeconds"),
    ({"ttlSeconds": "60"}, "ttlSeconds"),
    ({"status": "stored"}, "status"),
    ({"orgId": "org-x"}, "orgId"),
    ({"key": "files/x"}, "key"),
    ({"file_name": "x"}, "file_name"),
]


@pytest.mark.parametrize(("body", "named"), WRONG, ids=[str(body)[:60] for body, _ in WRONG])
async def test_a_wrong_announcement_is_422_and_names_the_member(
    door: Door, stage: Bench, body: dict[str, Any], named: str
) -> None:
    before = {one.name for one in await stage.kube.list(StoredFile, stage.namespace)}
    found = refused(await door.ask("POST", door.announcing, body), 422, "validation_error")
    assert named in found["message"]
    assert {one.name for one in await stage.kube.list(StoredFile, stage.namespace)} == before


@pytest.mark.parametrize("kind", ["person", "token"])
@pytest.mark.parametrize(
    "body", [{"cleanupRule": "on_job_end"}, {"bindingId": ""}, {"bindingId": "a" * 65}, {"bindingId": "a\tb"}]
)
async def test_what_only_agents_may_say_and_labels_that_are_none(
    doors: dict[str, Door], kind: str, body: dict[str, Any]
) -> None:
    (name,) = body
    found = refused(await doors[kind].ask("POST", doors[kind].announcing, body), 422, "validation_error")
    assert name in found["message"]


async def test_an_agent_says_no_label(doors: dict[str, Door]) -> None:
    door = doors["agent"]
    refused(await door.ask("POST", door.announcing, {"bindingId": "x"}), 422, "validation_error")


async def test_more_than_a_file_may_have_is_refused_at_once(door: Door) -> None:
    refused(await door.ask("POST", door.announcing, {"size": 5 * 2**30 + 1}), 422, "file_too_large")


async def test_completing_takes_no_body(door: Door) -> None:
    file_id = (await door.announce())["fileId"]
    refused(await door.ask("POST", f"{door.files}/{file_id}/complete", {"size": 3}), 422, "validation_error")
    refused(await door.ask("POST", f"{door.files}/{file_id}/complete", {}), 409, "not_uploaded")


async def test_nothing_but_the_announced_upload_is_taken_by_the_storage(
    door: Door, stage: Bench, bucket: S3Store
) -> None:
    content = b"0123456789"
    declared = {"size": 10, "sha256": hashlib.sha256(content).hexdigest(), "contentType": "text/plain"}
    upload = await door.announce(**declared)
    other = await door.announce(**declared)
    parts = urlsplit(upload["uploadUrl"])
    signature = parse_qs(parts.query)["X-Amz-Signature"][0]
    forged = upload["uploadUrl"].replace(signature, signature[::-1])
    foreign = parts._replace(path=urlsplit(other["uploadUrl"]).path).geturl()
    longer = parts._replace(
        query=urlencode(
            {name: values[0] for name, values in parse_qs(parts.query).items()} | {"X-Amz-Expires": "86400"}
        )
    ).geturl()
    statuses = {
        "another length": (await put(upload, content + b"x")).status_code,
        "another type": (await put(upload, content, content_type="text/html")).status_code,
        "no type": (await put(upload, content, content_type=None)).status_code,
        "other content": (await put(upload, content[::-1])).status_code,
        "another signature": (await put(upload | {"uploadUrl": forged}, content)).status_code,
        "another key": (await put(upload | {"uploadUrl": foreign}, content)).status_code,
        "more time": (await put(upload | {"uploadUrl": longer}, content)).status_code,
        "overwriting": (await put(upload, content, if_none_match=None)).status_code,
    }
    assert statuses == {what: 400 if what == "other content" else 403 for what in statuses}
    assert await keys(bucket, stage.namespace, upload["fileId"]) == []
    refused(await door.complete(upload["fileId"]), 409, "not_uploaded")
    assert (await put(upload, content)).status_code == 200
    assert (await door.complete(upload["fileId"])).status_code == 200


async def test_a_replayed_upload_overwrites_nothing(door: Door) -> None:
    upload = await door.announce()
    assert (await put(upload, b"first")).status_code == 200
    assert (await put(upload, b"other")).status_code == 412
    assert (await door.complete(upload["fileId"])).json()["size"] == 5
    assert (await put(upload, b"other")).status_code == 412
    assert (await door.content(upload["fileId"])).content == b"first"


async def test_another_content_that_got_into_the_storage_is_refused_at_complete(
    door: Door, stage: Bench, settings: Settings, bucket: S3Store
) -> None:
    upload = await door.announce(size=3)
    assert (await put(upload, b"abc")).status_code == 200
    (key,) = await keys(bucket, stage.namespace, upload["fileId"])
    await bucket.put(key, b"abcd")
    refused(await door.complete(upload["fileId"]), 422, "upload_mismatch")
    assert await keys(bucket, stage.namespace, upload["fileId"]) == []
    refused(await door.complete(upload["fileId"]), 404, "not_found")
    announced, gone = await recorded_of(upload["fileId"], stage.replica, settings, stage.namespace)
    assert (announced["action"], announced["outcome"]) == ("file.announced", "done")
    assert (gone["action"], gone["outcome"], gone["status"]) == ("file.refused", "refused", 422)
    assert (gone["code"], gone["object"]["kind"]) == ("upload_mismatch", "StoredFile")
    assert gone["who"]["kind"] == {"person": "user"}.get(door.kind, door.kind)


async def test_content_that_was_taken_before_it_was_completed_was_not_uploaded(
    door: Door, stage: Bench, settings: Settings, bucket: S3Store
) -> None:
    upload = await door.announce()
    assert (await put(upload, b"abc")).status_code == 200
    await bucket.delete(await keys(bucket, stage.namespace, upload["fileId"]))
    refused(await door.complete(upload["fileId"]), 409, "not_uploaded")
    records = await recorded_of(upload["fileId"], stage.replica, settings, stage.namespace)
    assert [record["action"] for record in records] == ["file.announced"], "a refusal that changed nothing"


async def test_a_file_whose_content_was_replaced_or_taken_is_not_given_away(
    door: Door, stage: Bench, bucket: S3Store
) -> None:
    file_id = await door.stored(b"abc")
    (key,) = await keys(bucket, stage.namespace, file_id)
    await bucket.put(key, b"xyz")
    refused(await door.address(file_id), 409, "file_changed")
    await bucket.delete([key])
    refused(await door.address(file_id), 404, "not_found")
    assert (await door.delete(file_id)).status_code == 204


async def test_another_organization_and_another_caller_get_404(door: Door, stage: Bench, bench: Bench) -> None:
    file_id = await door.stored(secrets.token_bytes(8))
    foreign = of_person(bench)
    for answer in (
        await foreign.complete(file_id),
        await foreign.shown(file_id),
        await foreign.address(file_id),
        await foreign.delete(file_id),
    ):
        refused(answer, 404, "not_found")
    assert (await door.shown(file_id)).status_code == 200
