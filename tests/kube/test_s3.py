"""What our client does with a real S3 server: the rest of the storage part builds on exactly this."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from deplite.local.objectstore import ObjectStore
from deplite_apiserver.storage.objects import StorageUnavailableError
from deplite_apiserver.storage.s3 import S3Store


@pytest_asyncio.fixture(scope="module")
async def store(object_store: ObjectStore) -> AsyncIterator[S3Store]:
    keys = object_store.access_key_file.read_text().strip(), object_store.secret_key_file.read_text().strip()
    made = S3Store(object_store.endpoint, object_store.bucket, *keys, object_store.region)
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
async def test_a_store_that_refuses_us_is_away(object_store: ObjectStore, prefix: str, wrong: str) -> None:
    access, secret = object_store.access_key_file.read_text().strip(), object_store.secret_key_file.read_text().strip()
    made = S3Store(
        "http://127.0.0.1:9" if wrong == "endpoint" else object_store.endpoint,
        "absent" if wrong == "bucket" else object_store.bucket,
        access,
        "x" * 40 if wrong == "key" else secret,
        object_store.region,
    )
    for call in (made.put(f"{prefix}a", b"x"), made.get(f"{prefix}a"), made.list(prefix), made.delete([f"{prefix}a"])):
        with pytest.raises(StorageUnavailableError):
            await call
    await made.close()


async def test_calls_beyond_the_threads_wait_their_turn(store: S3Store, prefix: str) -> None:
    await asyncio.gather(*(store.put(f"{prefix}{number}", b"x" * number) for number in range(200)))
    found = await asyncio.gather(*(store.get(f"{prefix}{number}") for number in range(200)))
    assert [len(data or b"") for data in found] == list(range(200))
