"""The object store on one machine: SIGKILL loses nothing, and none of its ports answers a stranger."""

import asyncio
import io
import signal
import ssl
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
import urllib3
from minio.error import S3Error

from deplite.local.objectstore import PURPOSES, ObjectStore
from deplite.local.ports import choose
from tests.listeners import listening

INNER_HTTP = ("seaweedfs-master", "seaweedfs-volume", "seaweedfs-filer")
GRPC = tuple(purpose for purpose in PURPOSES if purpose.endswith("-grpc"))


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    return choose(PURPOSES, {})


@pytest_asyncio.fixture(scope="module")
async def store(tmp_path_factory: pytest.TempPathFactory, ports: dict[str, int]) -> AsyncIterator[ObjectStore]:
    """One of its own, in a deep folder: these tests kill it."""
    made = ObjectStore(tmp_path_factory.mktemp("own") / ("deep" * 25) / "objects", ports)
    await made.start()
    yield made
    await made.kill()


def put(store: ObjectStore, prefix: str, count: int = 30) -> dict[str, bytes]:
    """Put objects of several sizes and return what was acknowledged."""
    client = store.client()
    contents = {f"{prefix}/{number}": bytes([number]) * (1 + number * 3000) for number in range(count)}
    for key, content in contents.items():
        client.put_object(store.bucket, key, io.BytesIO(content), len(content))
    return contents


def get(store: ObjectStore, keys: dict[str, bytes]) -> dict[str, bytes]:
    client = store.client()
    found = {}
    for key in keys:
        response = client.get_object(store.bucket, key)
        found[key] = response.read()
        response.close()
        response.release_conn()
    return found


async def test_it_takes_objects_when_start_returns_and_the_bucket_is_empty(tmp_path: Path) -> None:
    fresh = ObjectStore(tmp_path / "objects", choose(PURPOSES, {}))
    await fresh.start()
    try:
        assert list(fresh.client().list_objects(fresh.bucket, recursive=True)) == []
        kept = await asyncio.to_thread(put, fresh, "first", 3)
        assert await asyncio.to_thread(get, fresh, kept) == kept
    finally:
        await fresh.kill()


async def test_nothing_acknowledged_is_lost_by_a_kill(store: ObjectStore) -> None:
    kept: dict[str, bytes] = {}
    for attempt in range(2):
        kept |= await asyncio.to_thread(put, store, f"kill-{attempt}")
        await store.kill()
        await store.start()
        assert await asyncio.to_thread(get, store, kept) == kept


async def test_a_kill_in_the_midst_of_writing_loses_nothing_acknowledged(store: ObjectStore) -> None:
    kept: dict[str, bytes] = {}

    def write() -> None:
        for number in range(10_000):
            kept.update(put(store, f"midst-{number}", 1))

    writer = asyncio.create_task(asyncio.to_thread(write))
    async with asyncio.timeout(60):
        while len(kept) <= 20:
            await asyncio.sleep(0.01)
    await store.kill()
    with pytest.raises((S3Error, urllib3.exceptions.HTTPError)):
        await writer
    await store.start()
    assert await asyncio.to_thread(get, store, kept) == kept


async def test_stop_does_not_wait_for_its_sleeps_and_keeps_all(store: ObjectStore) -> None:
    kept = await asyncio.to_thread(put, store, "stop")
    process = store.process
    assert process is not None
    await store.stop()
    assert process.returncode == -signal.SIGKILL
    await store.start()
    assert await asyncio.to_thread(get, store, kept) == kept


async def test_nothing_is_left_outside_of_its_folder(store: ObjectStore, ports: dict[str, int]) -> None:
    await store.kill()
    assert [path for path in sockets(ports) if path.exists()] == []
    await store.start()


async def test_it_listens_on_its_ports_of_the_loopback_only(store: ObjectStore, ports: dict[str, int]) -> None:
    assert store.process is not None
    assert listening(store.process.pid) == {("127.0.0.1", port) for port in ports.values()}


def test_every_file_is_in_a_private_folder_and_every_secret_private(store: ObjectStore) -> None:
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    written = [path for path in store.folder.iterdir() if path.is_file()]
    assert {store.access_key_file, store.secret_key_file, store.folder / "security.toml"} <= set(written)
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o600}


def test_the_sockets_that_it_makes_elsewhere_are_private(store: ObjectStore, ports: dict[str, int]) -> None:
    there = [path for path in sockets(ports) if path.exists()]
    assert there
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in there} == {0}


def test_no_secret_is_among_the_arguments(store: ObjectStore) -> None:
    assert store.process is not None
    line = Path(f"/proc/{store.process.pid}/cmdline").read_text()
    assert store.secret_key_file.read_text() not in line
    assert store.access_key_file.read_text() not in line


@pytest.mark.parametrize("purpose", INNER_HTTP)
@pytest.mark.parametrize(
    "path", ["/", "/dir/assign", "/dir/lookup?volumeId=1", "/dir/status", "/status", "/1,01637037d6", "/metrics"]
)
async def test_no_inner_port_answers_without_the_certificate(
    store: ObjectStore, ports: dict[str, int], purpose: str, path: str
) -> None:
    address = f"127.0.0.1:{ports[purpose]}"
    async with httpx.AsyncClient(verify=trusting(store), trust_env=False, timeout=60) as client:
        answer = await client.get(f"http://{address}{path}")
        assert answer.status_code == 400  # it speaks TLS only
        assert "HTTPS" in answer.text
        with pytest.raises((httpx.TransportError, ssl.SSLError), match=r"(?i)certificate required"):
            await client.get(f"https://{address}{path}")


@pytest.mark.parametrize("purpose", GRPC)
async def test_no_grpc_port_answers_without_the_certificate(
    store: ObjectStore, ports: dict[str, int], purpose: str
) -> None:
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
    assert await exchange(ports[purpose], preface, None) == b""
    tls = trusting(store)
    tls.set_alpn_protocols(["h2"])
    assert await exchange(ports[purpose], preface, tls) == b""
    tls.load_cert_chain(store.folder / "node.crt", store.folder / "node.key")
    assert (await exchange(ports[purpose], preface, tls))[3:4] == b"\x04"  # SETTINGS: the owner gets in


async def test_s3_refuses_what_is_not_signed_with_its_keys(store: ObjectStore) -> None:
    await asyncio.to_thread(put, store, "private", 1)
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        for method, path in [("GET", "/"), ("GET", "/deplite"), ("GET", "/deplite/private/0"), ("PUT", "/deplite/x")]:
            assert (await client.request(method, store.endpoint + path)).status_code == 403
        for action in ("ListUsers", "CreateAccessKey"):  # the rights of S3's own interface for accounts
            answer = await client.post(f"{store.endpoint}/", data={"Action": action, "Version": "2010-05-08"})
            assert answer.status_code in {403, 404, 405, 501}


def test_our_keys_reach_our_bucket_only(store: ObjectStore) -> None:
    with pytest.raises(S3Error, match="AccessDenied"):
        store.client().make_bucket("another")


async def test_the_sessions_store_is_there(object_store: ObjectStore) -> None:
    kept = await asyncio.to_thread(put, object_store, "session", 2)
    assert await asyncio.to_thread(get, object_store, kept) == kept


def sockets(ports: dict[str, int]) -> list[Path]:
    return [Path(f"/tmp/{name}-{ports[name]}.sock") for name in GRPC]


def trusting(store: ObjectStore) -> ssl.SSLContext:
    """A stranger who even knows the authority, but has no certificate."""
    return ssl.create_default_context(cafile=str(store.folder / "authority.crt"))


async def exchange(port: int, sent: bytes, tls: ssl.SSLContext | None) -> bytes:
    """Send bytes and return what comes back before the other end closes."""
    try:
        async with asyncio.timeout(60):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
            try:
                writer.write(sent)
                return await reader.read(64)
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError):
        return b""
