"""What a real S3 server makes of our addresses: whoever holds one does with it what it says and nothing else.

The store checks signatures by its own clock, so a late address is one that was signed in the past by ours.
"""

import asyncio
import hashlib
import logging
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio

from deplite.local.objectstore import ObjectStore
from deplite_apiserver.storage.objects import StorageUnavailableError
from deplite_apiserver.storage.presign import PresignedUpload, Presigner
from deplite_apiserver.storage.s3 import S3Store
from tests.kube.storing import place_of

DATA = b"hello world"
OTHER = b"HELLO WORLD"
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest_asyncio.fixture(scope="module")
async def store(object_store: ObjectStore) -> AsyncIterator[S3Store]:
    made = S3Store(place_of(object_store))
    yield made
    await made.close()


@pytest_asyncio.fixture(scope="module")
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        yield client


@pytest.fixture
def signer(object_store: ObjectStore) -> Presigner:
    return Presigner(place_of(object_store), lambda: datetime.now(UTC))


@pytest.fixture
def key() -> str:
    """An object of the test's own."""
    return f"files/org-test/f-{secrets.token_hex(8)}-00000000"


def whole(signer: Presigner, key: str) -> PresignedUpload:
    """An upload of which everything is declared."""
    return signer.upload(key, expires_seconds=900, content_type="text/plain", size=len(DATA), sha256_hex=SHA256)


def bare(signer: Presigner, key: str) -> PresignedUpload:
    """An upload as published clients ask for it: neither size nor checksum."""
    return signer.upload(key, expires_seconds=900, content_type="text/plain")


async def put(
    http: httpx.AsyncClient, upload: PresignedUpload, data: bytes = DATA, *, url: str | None = None, **changed: str
) -> int:
    """Upload, with headers that a test wants otherwise; an empty one is left out."""
    headers = {name.lower(): value for name, value in upload.headers.items()}
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    sent = {name: value for name, value in headers.items() if value}
    return (await http.put(url or upload.url, content=data, headers=sent)).status_code


async def test_an_upload_is_stored_with_its_type_and_checksum(
    http: httpx.AsyncClient, signer: Presigner, store: S3Store, key: str
) -> None:
    assert await put(http, whole(signer, key)) == 200
    found = await store.head(key)
    assert found is not None
    assert (found.size, found.content_type, found.sha256) == (len(DATA), "text/plain", SHA256)
    assert await store.get(key) == DATA


@pytest.mark.parametrize(
    "content_type",
    ["text/plain; charset=utf-8", "text/plain;  charset = utf-8 ", 'application/x; a="b  c"', "image/svg+xml"],
)
async def test_any_way_of_writing_a_type_can_be_uploaded(
    http: httpx.AsyncClient, signer: Presigner, store: S3Store, key: str, content_type: str
) -> None:
    assert await put(http, signer.upload(key, expires_seconds=900, content_type=content_type)) == 200
    found = await store.head(key)
    assert found is not None
    assert found.content_type == content_type.strip()
    answer = await http.get(signer.download(key, expires_seconds=60, filename="a", content_type=content_type))
    assert answer.headers["Content-Type"] == content_type.strip()


async def test_an_upload_of_which_nothing_was_declared_is_stored(
    http: httpx.AsyncClient, signer: Presigner, store: S3Store, key: str
) -> None:
    assert await put(http, bare(signer, key), bytes(300_000)) == 200
    found = await store.head(key)
    assert found is not None
    assert (found.size, found.sha256) == (300_000, None)


@pytest.mark.parametrize(
    ("data", "changed", "status"),
    [
        pytest.param(DATA + b"!", {}, 403, id="oversized"),
        pytest.param(DATA[:-1], {}, 403, id="undersized"),
        pytest.param(b"", {}, 403, id="empty"),
        pytest.param(OTHER, {}, 400, id="other bytes of that length"),
        pytest.param(OTHER, {"x_amz_checksum_sha256": ""}, 403, id="no checksum"),
        pytest.param(OTHER, {"x_amz_checksum_sha256": "eA=="}, 403, id="another checksum"),
        pytest.param(DATA, {"content_type": "text/html"}, 403, id="re-typed"),
        pytest.param(DATA, {"content_type": ""}, 403, id="without a type"),
        pytest.param(DATA, {"if_none_match": ""}, 403, id="to overwrite"),
        pytest.param(DATA, {"if_none_match": '"x"'}, 403, id="to overwrite another one"),
        pytest.param(DATA, {"x_amz_acl": "public-read"}, 403, id="for everybody"),
        pytest.param(DATA, {"x_amz_tagging": "a=b"}, 403, id="with tags"),
        pytest.param(DATA, {"x_amz_meta_a": "b"}, 403, id="with metadata"),
    ],
)
async def test_an_upload_other_than_declared_is_refused(
    http: httpx.AsyncClient,
    signer: Presigner,
    store: S3Store,
    key: str,
    data: bytes,
    changed: Mapping[str, str],
    status: int,
) -> None:
    upload = whole(signer, key)
    assert await put(http, upload, data, **changed) == status
    assert await store.head(key) is None
    assert await put(http, upload) == 200, "a refused try spends nothing"


async def test_an_upload_in_pieces_without_its_length_is_refused(
    http: httpx.AsyncClient, signer: Presigner, store: S3Store, key: str
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield DATA

    upload = whole(signer, key)
    assert (await http.put(upload.url, content=pieces(), headers=dict(upload.headers))).status_code == 403
    assert await store.head(key) is None


async def test_one_object_does_not_become_another(
    http: httpx.AsyncClient, signer: Presigner, store: S3Store, key: str
) -> None:
    await store.put(f"{key}-other", OTHER)
    source = f"/deplite/{key}-other"
    assert await put(http, bare(signer, key), b"", x_amz_copy_source=source) == 403
    assert await store.head(key) is None


async def test_a_forged_address_is_refused(
    http: httpx.AsyncClient, signer: Presigner, store: S3Store, key: str
) -> None:
    upload = bare(signer, key)
    signature = upload.url[-64:]
    assert re.fullmatch("[0-9a-f]{64}", signature)
    forged = {
        "signature": upload.url[:-1] + ("0" if upload.url[-1] != "0" else "1"),
        "no signature": upload.url.partition("&X-Amz-Signature")[0],
        "nothing signed": upload.url.partition("?")[0],
        "key": upload.url.replace(key, f"{key}-foreign"),
        "other organization": upload.url.replace("org-test", "org-foreign"),
        "way up": upload.url.replace("org-test", "org-test/../org-foreign"),
        "bucket": upload.url.replace("/deplite/", "/other/"),
        "longer": upload.url.replace("X-Amz-Expires=900", "X-Amz-Expires=90000"),
        "later": re.sub(r"X-Amz-Date=\w+", "X-Amz-Date=20990101T000000Z", upload.url),
        "headers": upload.url.replace("content-type%3B", ""),
        "a part of one": upload.url + "&partNumber=1&uploadId=x",
        "tagging": upload.url + "&tagging",
    }
    assert upload.url not in forged.values(), "each differs from what was signed"
    answers = {name: await put(http, upload, url=url) for name, url in forged.items()}
    assert answers == dict.fromkeys(forged, 403) | {"no signature": 400}
    assert await store.list(key) == []
    assert await store.list("files/org-foreign/") == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "POST"])
async def test_an_address_is_good_for_one_method(
    http: httpx.AsyncClient, signer: Presigner, store: S3Store, key: str, method: str
) -> None:
    upload = bare(signer, key)
    assert await put(http, upload) == 200
    answer = await http.request(method, upload.url, headers=dict(upload.headers))
    assert answer.status_code in (403, 405)
    assert await store.get(key) == DATA
    download = signer.download(key, expires_seconds=60, filename=None, content_type="text/plain")
    assert (await http.put(download, content=OTHER)).status_code == 403
    assert await store.get(key) == DATA


async def test_a_late_address_is_refused(
    http: httpx.AsyncClient, object_store: ObjectStore, store: S3Store, key: str
) -> None:
    late = Presigner(place_of(object_store), lambda: datetime.now(UTC) - timedelta(seconds=901))
    assert await put(http, bare(late, key)) == 403
    assert await store.head(key) is None
    await store.put(key, DATA)
    url = late.download(key, expires_seconds=900, filename=None, content_type="text/plain")
    assert (await http.get(url)).status_code == 403


async def test_an_upload_that_is_replayed_changes_nothing(
    http: httpx.AsyncClient, signer: Presigner, store: S3Store, key: str
) -> None:
    upload = bare(signer, key)
    assert await put(http, upload) == 200
    first = await store.head(key)
    assert [await put(http, upload, data) for data in (OTHER, DATA, b"")] == [412, 412, 412]
    assert await put(http, bare(signer, key), OTHER) == 412, "another address for that object is no better"
    assert await store.head(key) == first
    assert await store.get(key) == DATA


async def test_of_many_uploads_at_once_one_is_stored(
    http: httpx.AsyncClient, signer: Presigner, store: S3Store, key: str
) -> None:
    upload = bare(signer, key)
    contents = [bytes([number]) * 100_000 for number in range(16)]
    answers = await asyncio.gather(*(put(http, upload, content) for content in contents))
    assert sorted(answers) == [200] + [412] * 15
    assert await store.get(key) == contents[answers.index(200)]


async def test_a_download_is_a_file_with_its_name_and_type(
    http: httpx.AsyncClient, signer: Presigner, store: S3Store, key: str
) -> None:
    await store.put(key, b"<script>alert(1)</script>", "text/html")
    url = signer.download(key, expires_seconds=60, filename="보고서 1.html", content_type="text/html")
    answer = await http.get(url)
    assert (answer.status_code, answer.content) == (200, b"<script>alert(1)</script>")
    assert answer.headers["Content-Type"] == "text/html"
    assert answer.headers["Content-Disposition"] == (
        "attachment; filename=\"___ 1.html\"; filename*=UTF-8''%EB%B3%B4%EA%B3%A0%EC%84%9C%201.html"
    )
    part = await http.get(url, headers={"Range": "bytes=1-6"})
    assert (part.status_code, part.content) == (206, b"script")
    for forged in (url.replace("attachment", "inline"), re.sub(r"response-content-disposition=[^&]+&", "", url)):
        assert forged != url
        assert (await http.get(forged)).status_code == 403


async def test_nobody_reads_or_lists_without_an_address(
    http: httpx.AsyncClient, object_store: ObjectStore, store: S3Store, key: str
) -> None:
    await store.put(key, DATA)
    bucket = f"{object_store.endpoint}/{object_store.bucket}"
    for url in (f"{bucket}/{key}", bucket, f"{bucket}?list-type=2", object_store.endpoint):
        assert (await http.get(url)).status_code == 403


async def test_callers_may_reach_the_store_by_another_name(
    http: httpx.AsyncClient, object_store: ObjectStore, store: S3Store, key: str
) -> None:
    public = object_store.endpoint.replace("127.0.0.1", "localhost")
    signer = Presigner(place_of(object_store, public_endpoint=public), lambda: datetime.now(UTC))
    upload = whole(signer, key)
    assert upload.url.startswith(f"{public}/deplite/")
    assert await put(http, upload, url=upload.url.replace("localhost", "127.0.0.1")) == 403, "the name is signed"
    assert await put(http, upload) == 200
    answer = await http.get(signer.download(key, expires_seconds=60, filename="a", content_type="text/plain"))
    assert (answer.status_code, answer.content) == (200, DATA)


async def test_the_bucket_may_be_in_the_host(
    http: httpx.AsyncClient, object_store: ObjectStore, store: S3Store, key: str
) -> None:
    port = urlsplit(object_store.endpoint).port
    place = place_of(object_store, public_endpoint=f"http://localhost:{port}", style="host")
    signer = Presigner(place, lambda: datetime.now(UTC))
    upload = whole(signer, key)
    assert upload.url.startswith(f"http://deplite.localhost:{port}/files/")

    def here(url: str) -> str:
        """Reach it by number: not every machine knows names below `localhost`."""
        return url.replace("deplite.localhost", "127.0.0.1")

    host = f"deplite.localhost:{port}"
    assert await put(http, upload, url=here(upload.url), host=f"other.localhost:{port}") == 403
    assert await put(http, upload, url=here(upload.url), host=host) == 200
    assert await store.get(key) == DATA
    url = signer.download(key, expires_seconds=60, filename="a", content_type="text/plain")
    answer = await http.get(here(url), headers={"Host": host})
    assert (answer.status_code, answer.content) == (200, DATA)


async def test_no_log_line_holds_a_secret_or_an_address(
    http: httpx.AsyncClient, object_store: ObjectStore, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    place = place_of(object_store)
    upload = whole(Presigner(place, lambda: datetime.now(UTC)), key)
    assert await put(http, upload) == 200
    assert await put(http, upload, url=upload.url[:-1] + "x") == 403
    caplog.clear()  # this test's own client does log
    caplog.set_level(logging.DEBUG)
    signer = Presigner(place, lambda: datetime.now(UTC))
    addresses = [
        bare(signer, key).url,
        signer.download(key, expires_seconds=60, filename="a", content_type="text/plain"),
    ]
    store, away = S3Store(place), S3Store(place_of(object_store, bucket="absent"))
    assert await store.get(key) == DATA
    with pytest.raises(StorageUnavailableError) as refused:
        await away.get(key)
    for made in (store, away):
        await made.close()
    assert object_store.process is not None
    written = (object_store.folder / "logs" / "objectstore.log").read_text(errors="replace")
    said = caplog.text + written + str(refused.value) + repr(upload)
    assert "storage get failed: S3Error AccessDenied" in caplog.text
    assert object_store.secret_key_file.read_text() not in said
    for address in (*addresses, upload.url):
        assert address.partition("X-Amz-Signature=")[2] not in said
