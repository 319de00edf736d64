"""A file from its announcement to its end, by each kind of caller, on the real object store."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from deplite.resources import StoredFile
from deplite_apiserver.storage.s3 import S3Store
from tests.kube.edge.answers import refused
from tests.kube.files.conftest import keys
from tests.kube.files.doors import Door, get, put
from tests.kube.jobs.conftest import Bench

DEFAULTS = {"person": "ttl", "token": "ttl", "agent": "on_job_end"}


async def test_what_is_uploaded_comes_back_as_an_attachment_and_goes(door: Door, stage: Bench, bucket: S3Store) -> None:
    content = secrets.token_bytes(5000)
    upload = await door.announce(filename="Bericht – Q3.pdf", contentType="application/pdf")
    file_id = upload["fileId"]
    assert set(upload) == {"fileId", "uploadUrl", "uploadHeaders", "expiresInSeconds"}
    assert upload["expiresInSeconds"] <= 900
    pending = (await door.shown(file_id)).json()
    assert (pending["status"], pending["size"], pending["expiresAt"]) == ("pending", None, None)
    refused(await door.address(file_id), 409, "not_uploaded")
    assert (await put(upload, content)).status_code == 200
    refused(await door.address(file_id), 409, "not_uploaded")

    completed = await door.complete(file_id)
    assert completed.status_code == 200, completed.text
    meta = completed.json()
    assert (meta["status"], meta["size"], meta["filename"]) == ("stored", 5000, "Bericht – Q3.pdf")
    assert (meta["contentType"], meta["cleanupRule"]) == ("application/pdf", DEFAULTS[door.kind])
    assert (await door.shown(file_id)).json() == meta
    again = await door.complete(file_id)
    assert (again.status_code, again.json()) == (200, meta)

    got = await door.content(file_id)
    assert (got.status_code, got.content) == (200, content)
    assert got.headers["content-type"] == "application/pdf"
    assert got.headers["content-disposition"].startswith("attachment;")
    assert "filename*=UTF-8''Bericht%20%E2%80%93%20Q3.pdf" in got.headers["content-disposition"]

    assert len(await keys(bucket, stage.namespace, file_id)) == 1
    address = (await door.address(file_id)).json()["downloadUrl"]
    assert (await door.delete(file_id)).status_code == 204
    assert await keys(bucket, stage.namespace, file_id) == []
    assert (await get(address)).status_code == 404
    for gone in (await door.delete(file_id), await door.shown(file_id), await door.complete(file_id)):
        refused(gone, 404, "not_found")
    refused(await door.address(file_id), 404, "not_found")


async def test_an_empty_file_is_one(door: Door) -> None:
    file_id = await door.stored(b"", filename="empty")
    assert (await door.shown(file_id)).json()["size"] == 0
    got = await door.content(file_id)
    assert (got.status_code, got.content) == (200, b"")


async def test_size_and_checksum_are_kept_where_they_are_told(door: Door) -> None:
    content = secrets.token_bytes(300)
    digest = hashlib.sha256(content).hexdigest()
    file_id = await door.stored(content, size=300, sha256=digest)
    meta = (await door.shown(file_id)).json()
    assert (meta["size"], meta["sha256"], meta["filename"]) == (300, digest, None)
    assert meta["contentType"] == "application/octet-stream"
    got = await door.content(file_id)
    assert got.content == content
    assert file_id in got.headers["content-disposition"]


@pytest.mark.parametrize(
    ("body", "rule", "seconds"),
    [
        ({}, None, 86_400),
        ({"cleanupRule": "ttl"}, "ttl", 86_400),
        ({"ttlSeconds": 60}, "ttl", 60),
        ({"cleanupRule": "ttl", "ttlSeconds": 31_536_000}, "ttl", 31_536_000),
        ({"cleanupRule": "persistent"}, "persistent", None),
        ({"cleanupRule": "persistent", "ttlSeconds": 60}, "persistent", None),
        ({"cleanupRule": None, "ttlSeconds": None, "filename": None, "contentType": None}, None, 86_400),
    ],
)
async def test_a_file_says_when_it_goes(
    door: Door, body: dict[str, Any], rule: str | None, seconds: int | None
) -> None:
    meta = (await door.shown(await door.stored(b"x", **body))).json()
    assert meta["cleanupRule"] == (rule or DEFAULTS[door.kind])
    if meta["cleanupRule"] != "ttl":
        assert meta["expiresAt"] is None
        return
    assert seconds is not None
    kept = datetime.fromisoformat(meta["expiresAt"]) - datetime.fromisoformat(meta["createdAt"])
    assert timedelta(seconds=seconds - 1) <= kept <= timedelta(seconds=seconds + 60)


@pytest.mark.parametrize(
    ("filename", "saved"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("dist/app.tar.gz", "app.tar.gz"),
        ("invoice\N{RIGHT-TO-LEFT OVERRIDE}fdp.exe", "invoicefdp.exe"),
        ("\N{RIGHT-TO-LEFT MARK}a", "a"),
        ('"; filename="evil.html', "%22%3B%20filename%3D%22evil.html"),
        ("a" * 255, "a" * 255),
        ("\N{GRINNING FACE}" * 255, "%F0%9F%98%80" * 255),
    ],
)
async def test_a_filename_is_text_and_nothing_else(
    doors: dict[str, Door], stage: Bench, bucket: S3Store, filename: str, saved: str
) -> None:
    door = doors["person"]
    file_id = await door.stored(b"x", filename=filename)
    assert (await door.shown(file_id)).json()["filename"] == filename
    (key,) = await keys(bucket, stage.namespace, file_id)
    (made,) = [one for one in await stage.kube.list(StoredFile, stage.namespace) if one.spec.filename == filename]
    assert key == f"files/{stage.namespace}/{file_id}-{made.metadata.uid[:8]}"
    got = await door.content(file_id)
    assert got.headers["content-disposition"].endswith(f"filename*=UTF-8''{saved}")


async def test_an_address_is_no_longer_good_than_its_file(doors: dict[str, Door]) -> None:
    file_id = await doors["person"].stored(b"x", ttlSeconds=60)
    answer = (await doors["person"].address(file_id)).json()
    assert 1 <= answer["expiresInSeconds"] <= 60
    assert parse_qs(urlsplit(answer["downloadUrl"]).query)["X-Amz-Expires"] == [str(answer["expiresInSeconds"])]
