"""The bundled stores, run with exactly what their pods get: arguments, and files from their Secrets."""

import asyncio
import io
import re
import shutil
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
import yaml
from minio import Minio
from minio.error import S3Error
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as RedisAwayError
from urllib3.exceptions import HTTPError

from deplite.local.ports import choose
from deplite.local.probe import ask_port
from deplite.local.process import Process, Program, clean_environment
from deplite.local.seaweedfs import PURPOSES, find_weed
from deplite.local.valkey import binary
from tests.chart.chart import CHART, NAMESPACE, RELEASE, Helm, Object, of_kind, pods, values

SEAWEEDFS_FILES, VALKEY_FILES = "/etc/seaweedfs/", "/etc/valkey/"


def files(objects: list[Object], name: str, folder: Path, *moved: tuple[str, str]) -> dict[str, str]:
    """Lay a Secret's files out in a folder and return its content; paths in them are moved as told."""
    data: dict[str, str] = of_kind(objects, "Secret")[f"{NAMESPACE}/{name}"]["stringData"]
    volume = next(one for one in pods(objects)[name]["spec"]["volumes"] if one["name"] == "config")
    for item in volume["secret"]["items"]:
        text = data[item["key"]]
        for old, new in moved:
            text = text.replace(old, new)
        (folder / item["path"]).write_text(text)
    return data


@dataclass(frozen=True)
class Seaweed:
    """A running SeaweedFS: what its Secret says, its ports, the folder of its files."""

    data: dict[str, str]
    ports: dict[str, int]
    folder: Path


@pytest_asyncio.fixture(scope="module")
async def seaweedfs(rendered: dict[str, list[Object]], session_folder: Path) -> AsyncIterator[Seaweed]:
    """SeaweedFS, on other ports than in a pod, where they are its own."""
    tmp_path = session_folder / "chart-seaweedfs"
    tmp_path.mkdir()
    ports = choose(PURPOSES, {})
    places = {"/data": tmp_path / "data", "/tmp": tmp_path / "tmp", SEAWEEDFS_FILES: tmp_path / "etc"}
    for place in places.values():
        place.mkdir()
    data = files(
        rendered["trial"],
        "deplite-seaweedfs",
        places[SEAWEEDFS_FILES],
        (SEAWEEDFS_FILES, f"{places[SEAWEEDFS_FILES]}/"),
        ('"/data/', f'"{places["/data"]}/'),
    )
    (container,) = pods(rendered["trial"])["deplite-seaweedfs"]["spec"]["containers"]
    arguments = []
    for argument in container["args"]:
        name, sign, value = argument.partition("=")
        for old, new in places.items():
            if value.startswith(old.rstrip("/")):
                value = f"{new}{value.removeprefix(old.rstrip('/'))}"
                break
        arguments.append(f"{name}{sign}{value}".replace("0.0.0.0", "127.0.0.1"))
    for purpose, port in ports.items():  # the last one of a flag counts
        server, _, grpc = purpose.removeprefix("seaweedfs-").partition("-")
        arguments.append(f"-{server}.port{'.grpc' if grpc else ''}={port}")

    async def ready() -> bool:
        return (await ask_port(ports["seaweedfs-s3"], container["readinessProbe"]["httpGet"]["path"])).status == 200

    program = Program(
        name="chart-seaweedfs",
        argv=(str(find_weed()), *arguments),
        cwd=tmp_path,
        env=clean_environment(),
        log=tmp_path / "log",
        ready=ready,
    )
    process = await Process.start(program)
    try:
        await process.wait_ready(120)
        yield Seaweed(data, ports, places[SEAWEEDFS_FILES])
    finally:
        process.kill()
        await process.wait()


async def test_seaweedfs_makes_the_bucket_for_our_credential(seaweedfs: Seaweed) -> None:
    data, ports = seaweedfs.data, seaweedfs.ports
    address = f"127.0.0.1:{ports['seaweedfs-s3']}"
    client = Minio(address, data["access-key"], data["secret-key"], secure=False, region="us-east-1")

    def put_and_get() -> bytes:
        client.put_object("deplite", "a/b", io.BytesIO(b"hello"), 5)
        answer = client.get_object("deplite", "a/b")
        try:
            return bytes(answer.read())
        finally:
            answer.close()
            answer.release_conn()

    async with asyncio.timeout(120):
        while True:  # ready is the S3 server; the volumes behind it may follow a moment later
            try:
                assert await asyncio.to_thread(put_and_get) == b"hello"
                break
            except (S3Error, HTTPError):
                await asyncio.sleep(0.5)
    stranger = Minio(address, "x", "y", secure=False, region="us-east-1")
    with pytest.raises(S3Error, match="AccessDenied"):
        await asyncio.to_thread(stranger.bucket_exists, "deplite")


async def test_a_new_version_of_the_chart_leaves_the_stores_alone(
    helm: Helm, rendered: dict[str, list[Object]], tmp_path: Path
) -> None:
    later = tmp_path / "later"
    shutil.copytree(CHART, later)
    about = (later / "Chart.yaml").read_text()
    (later / "Chart.yaml").write_text(re.sub(r"(?m)^(version|appVersion): .*$", r'\1: "9.9.9"', about))
    said = await helm.run("template", RELEASE, str(later), "--namespace", NAMESPACE, *values("trial"))
    then = pods([found for found in yaml.safe_load_all(said) if found])
    now = pods(rendered["trial"])
    assert {name for name in now if then[name] != now[name]} == {"deplite-apiserver", "deplite-operator"}


async def exchange(port: int, tls: ssl.SSLContext | None) -> bytes:
    """Return how a gRPC server begins to speak; nothing where it does not."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5))
        async with asyncio.timeout(60):
            said = await reader.read(9)
        writer.transport.abort()
    except OSError:
        return b""
    return said


async def test_inner_ports_speak_with_nobody_else(seaweedfs: Seaweed) -> None:
    for server in ("master", "volume", "filer", "s3"):
        port = seaweedfs.ports[f"seaweedfs-{server}-grpc"]
        tls = ssl.create_default_context(cafile=str(seaweedfs.folder / "ca.crt"))
        tls.set_alpn_protocols(["h2"])
        assert await exchange(port, None) == b""
        assert await exchange(port, tls) == b""
        tls.load_cert_chain(seaweedfs.folder / "node.crt", seaweedfs.folder / "node.key")
        assert (await exchange(port, tls))[3:4] == b"\x04"  # SETTINGS: it lets its own in


async def test_valkey_wants_the_password_and_forgets_nothing_for_room(
    rendered: dict[str, list[Object]], tmp_path: Path
) -> None:
    port = choose(["valkey"], {})["valkey"]
    moved = (("port 6379", f"port {port}"), ("bind * -::*", "bind 127.0.0.1"), ("dir /data", f"dir {tmp_path}"))
    data = files(rendered["trial"], "deplite-valkey", tmp_path, *moved)
    (container,) = pods(rendered["trial"])["deplite-valkey"]["spec"]["containers"]
    assert container["command"] == ["valkey-server", f"{VALKEY_FILES}valkey.conf"]
    program = Program(
        name="chart-valkey",
        argv=(str(binary()), str(tmp_path / "valkey.conf")),
        cwd=tmp_path,
        env=clean_environment(),
        log=tmp_path / "log",
    )
    process = await Process.start(program)
    try:
        async with Redis(host="127.0.0.1", port=port, password=data["password"]) as client:
            async with asyncio.timeout(60):
                while True:
                    try:
                        found = await client.config_get("maxmemory*", "save", "appendonly")
                        break
                    except RedisAwayError:
                        await asyncio.sleep(0.1)
        assert found["maxmemory-policy"] == "noeviction"
        assert (found["maxmemory"], found["save"], found["appendonly"]) == (str(128 << 20), "", "no")
        async with Redis(host="127.0.0.1", port=port) as stranger:
            with pytest.raises(AuthenticationError):
                await stranger.ping()
    finally:
        process.kill()
        await process.wait()
