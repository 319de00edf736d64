"""What our client does with a real S3 server: the rest of the storage part builds on exactly this."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import urllib3

from deplite.local.authority import make_pair
from deplite.local.objectstore import ObjectStore
from deplite_apiserver.storage.objects import Head, StorageUnavailableError
from deplite_apiserver.storage.s3 import S3Store
from tests.faults.httpproxy import HttpProxy
from tests.kube.storing import encrypted, place_of


@pytest_asyncio.fixture(scope="module")
async def store(object_store: ObjectStore) -> AsyncIterator[S3Store]:
    made = S3Store(place_of(object_store))
    yield made
    await made.close()


@pytest.fixture
def prefix() -> str:
    """A folder of the test's own."""
    return f"s3-tests/{secrets.token_hex(4)}/"


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 5000], ids=["empty", "one byte", "1.2 MB"])
async def test_what_was_put_is_got_byte_for_byte(store: S3Store, prefix: str, data: bytes) -> None:
    await store.put(f"{prefix}a", b"older")
    await store.put(f"{prefix}a", data, "application/x-ndjson")
    assert await store.get(f"{prefix}a") == data
    [listed] = await store.list(prefix)
    assert (listed.key, listed.size) == (f"{prefix}a", len(data))
    assert listed.modified_at.tzinfo is not None


@pytest.mark.parametrize(("offset", "length"), [(0, 1), (1, 4), (9, 1), (0, 10), (3, 0), (5, 100)])
async def test_a_range_is_that_part(store: S3Store, prefix: str, offset: int, length: int) -> None:
    await store.put(f"{prefix}a", b"0123456789")
    wanted = b"0123456789"[offset : offset + length] if length else b"0123456789"[offset:]
    assert await store.get(f"{prefix}a", offset=offset, length=length) == wanted


async def test_what_is_not_there_is_none_and_its_deletion_no_error(store: S3Store, prefix: str) -> None:
    assert await store.get(f"{prefix}absent") is None
    assert await store.list(prefix) == []
    await store.delete([f"{prefix}absent"])
    await store.delete([])


async def test_lists_and_deletions_beyond_a_thousand_are_whole(store: S3Store, prefix: str) -> None:
    keys = [f"{prefix}{number:05d}/x" for number in range(1_100)]
    for start in range(0, len(keys), 50):
        await asyncio.gather(*(store.put(key, b"x") for key in keys[start : start + 50]))
    assert [one.key for one in await store.list(prefix)] == keys
    await store.delete(keys[1:])
    assert [one.key for one in await store.list(prefix)] == keys[:1]


async def test_a_prefix_is_no_pattern_and_folders_are_none(store: S3Store, prefix: str) -> None:
    for key in ("j-a-1/x", "j-a-1/y/z", "j-a-12/x", "j-b/x"):
        await store.put(prefix + key, b"x")
    assert [one.key for one in await store.list(f"{prefix}j-a-1")] == [
        f"{prefix}j-a-1/x",
        f"{prefix}j-a-1/y/z",
        f"{prefix}j-a-12/x",
    ]
    assert [one.key for one in await store.list(f"{prefix}j-a-1/")] == [f"{prefix}j-a-1/x", f"{prefix}j-a-1/y/z"]


@pytest.mark.parametrize("wrong", ["key", "bucket", "endpoint"])
async def test_a_store_that_refuses_us_is_away(
    object_store: ObjectStore, tmp_path: Path, prefix: str, wrong: str
) -> None:
    (tmp_path / "key").write_text("x" * 40)
    changed = {
        "key": {"secret_key_file": tmp_path / "key"},
        "bucket": {"bucket": "absent"},
        "endpoint": {"endpoint": "http://127.0.0.1:9"},
    }
    made = S3Store(place_of(object_store, **changed[wrong]))
    key = f"{prefix}a"
    for call in (made.put(key, b"x"), made.get(key), made.head(key), made.list(prefix), made.delete([key])):
        with pytest.raises(StorageUnavailableError):
            await call
    await made.close()


async def test_a_head_says_size_type_and_etag(store: S3Store, prefix: str) -> None:
    await store.put(f"{prefix}a", b"hello world", "text/x-test")
    found = await store.head(f"{prefix}a")
    assert found == Head(size=11, etag="5eb63bbbe01eeed093cb22bb8f5acdc3", content_type="text/x-test", sha256=None)
    await store.put(f"{prefix}a", b"")
    emptied = await store.head(f"{prefix}a")
    assert emptied is not None
    assert (emptied.size, emptied.etag == found.etag) == (0, False)
    assert await store.head(f"{prefix}absent") is None


async def test_a_rotated_credential_needs_no_new_client(object_store: ObjectStore, tmp_path: Path, prefix: str) -> None:
    (tmp_path / "key").write_text("x" * 40)
    made = S3Store(place_of(object_store, secret_key_file=tmp_path / "key"))
    with pytest.raises(StorageUnavailableError):
        await made.put(f"{prefix}a", b"x")
    (tmp_path / "key").write_text(object_store.secret_key_file.read_text())
    await made.put(f"{prefix}a", b"x")
    assert await made.get(f"{prefix}a") == b"x"
    await made.close()


async def test_a_bucket_may_be_in_the_host(object_store: ObjectStore, store: S3Store, prefix: str) -> None:
    at = object_store.endpoint.replace("127.0.0.1", "localhost")
    # As a proxy of its own it is found whatever this machine makes of `deplite.localhost`.
    made = S3Store(place_of(object_store, endpoint=at, style="host"), urllib3.ProxyManager(object_store.endpoint))
    await made.put(f"{prefix}a", b"in the host")
    assert await store.get(f"{prefix}a") == b"in the host"
    assert [one.key for one in await made.list(prefix)] == [f"{prefix}a"]
    assert await made.head(f"{prefix}a") == await store.head(f"{prefix}a")
    await made.delete([f"{prefix}a"])
    assert await store.head(f"{prefix}a") is None
    await made.close()


async def test_a_store_with_a_private_authority_is_believed_by_its_file_alone(
    object_store: ObjectStore, tmp_path: Path, prefix: str
) -> None:
    make_pair(tmp_path, "store")
    async with encrypted(object_store.endpoint, tmp_path / "node.crt", tmp_path / "node.key") as endpoint:
        trusting = S3Store(place_of(object_store, endpoint=endpoint, ca_file=tmp_path / "authority.crt"))
        await trusting.put(f"{prefix}a", b"x")
        assert await trusting.get(f"{prefix}a") == b"x"
        stranger = S3Store(place_of(object_store, endpoint=endpoint))
        with pytest.raises(StorageUnavailableError):
            await stranger.get(f"{prefix}a")
        for made in (trusting, stranger):
            await made.close()


async def test_a_large_object_is_sent_by_one_request(object_store: ObjectStore, prefix: str) -> None:
    """The library would cut it into parts, which its own threads send past every fence."""
    proxy = HttpProxy(object_store.endpoint)
    await proxy.start()
    made = S3Store(place_of(object_store, endpoint=proxy.url))
    try:
        data = secrets.token_bytes(17 << 20)
        await made.put(f"{prefix}a", data)
        assert proxy.asked == {"PUT": 1}
        assert await made.get(f"{prefix}a") == data
    finally:
        await made.close()
        await proxy.stop()


async def test_calls_beyond_the_threads_wait_their_turn(store: S3Store, prefix: str) -> None:
    await asyncio.gather(*(store.put(f"{prefix}{number}", b"x" * number) for number in range(200)))
    found = await asyncio.gather(*(store.get(f"{prefix}{number}") for number in range(200)))
    assert [len(data or b"") for data in found] == list(range(200))


async def test_calls_that_were_given_up_or_never_sent_are_not_observed(object_store: ObjectStore, prefix: str) -> None:
    told: list[tuple[str, bool]] = []
    store = S3Store(place_of(object_store), observe=lambda action, done, _: told.append((action, done)))
    try:
        giving_up = asyncio.create_task(store.put(f"{prefix}a", b"x"))
        await asyncio.sleep(0)
        giving_up.cancel()
        await asyncio.wait([giving_up])
        assert giving_up.cancelled()
        with pytest.raises(StorageUnavailableError):
            await store.fenced(lambda: 0).put(f"{prefix}b", b"x")
        assert told == []
        assert await store.get(f"{prefix}b") is None
        assert told == [("get", True)]
    finally:
        await store.close()
