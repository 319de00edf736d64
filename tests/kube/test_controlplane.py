"""The control plane on one machine, the real one: nothing lost by kill -9, and nobody else gets in."""

import asyncio
import json
import signal
import ssl
import stat
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite.local.controlplane import ControlPlane, find_or_build
from deplite.local.controlplane.credentials import Credentials
from deplite.local.ports import choose
from deplite.local.probe import Answer, ask_port, ask_socket
from tests.listeners import listening

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager")
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


@pytest_asyncio.fixture(scope="module")
async def plane(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlPlane]:
    """One of its own, in a deep folder: these tests kill it. It writes as it does for users, fsync included."""
    folder = tmp_path_factory.mktemp("own") / ("deep" * 25) / "controlplane"
    made = ControlPlane(folder, await find_or_build(), choose(["kube-apiserver"], {})["kube-apiserver"])
    await made.start()
    yield made
    await made.stop()


@pytest_asyncio.fixture
async def admin(plane: ControlPlane) -> AsyncIterator[KubeClient]:
    client = await KubeClient.connect(plane.kubeconfig)
    yield client
    await client.close()


async def fill(client: KubeClient, prefix: str, count: int = 50) -> dict[str, str]:
    """Create objects and return uid by name: what was acknowledged."""
    bodies = [{"metadata": {"name": f"{prefix}-{number}"}, "data": {"n": str(number)}} for number in range(count)]
    made = await asyncio.gather(*(client.connection.request("POST", CONFIGMAPS, body=body) for body in bodies))
    return {item["metadata"]["name"]: item["metadata"]["uid"] for item in made}


async def stored(client: KubeClient) -> dict[str, str]:
    answer = await client.connection.request("GET", CONFIGMAPS)
    return {item["metadata"]["name"]: item["metadata"]["uid"] for item in answer["items"]}


async def anonymous(plane: ControlPlane, path: str, token: str | None = None) -> int:
    tls = ssl.create_default_context(cafile=str(plane.credentials.authority))
    headers = {"Authorization": f"Bearer {token}"} if token else None
    return await answered(lambda: ask_port(plane.port, path, tls=tls, headers=headers))


async def answered(ask: Callable[[], Awaitable[Answer]]) -> int:
    """Return the status of an answer, asking again where none came within the second that a probe may take."""
    async with asyncio.timeout(60):
        while not (status := (await ask()).status):
            await asyncio.sleep(0.1)
    return status


async def until_works(client: KubeClient, seconds: float = 60) -> None:
    """Wait until the controllers answer to what is done, by a namespace that gets its ServiceAccount."""
    name = f"works-{time.monotonic_ns()}"
    await client.connection.request("POST", "/api/v1/namespaces", body={"metadata": {"name": name}})
    for _ in range(int(seconds / 0.1)):
        accounts = await client.connection.request("GET", f"/api/v1/namespaces/{name}/serviceaccounts")
        if accounts["items"]:
            return
        await asyncio.sleep(0.1)
    raise TimeoutError("the controllers do nothing")


async def test_it_is_ready_when_start_returns(admin: KubeClient) -> None:
    answer = await admin.connection.request("GET", "/version")
    assert answer["gitVersion"] == "v1.36.2"
    await until_works(admin)


@pytest.mark.parametrize("killed", [*((name,) for name in PROGRAMS), PROGRAMS], ids=[*PROGRAMS, "all"])
async def test_nothing_acknowledged_is_lost_by_a_kill(
    plane: ControlPlane, admin: KubeClient, killed: tuple[str, ...]
) -> None:
    acknowledged = await fill(admin, f"{killed[0]}-{len(killed)}")
    await plane.kill(*killed)
    await plane.start()
    assert (await stored(admin)).items() >= acknowledged.items()
    await until_works(admin)


async def test_a_kill_in_the_midst_of_writing_loses_nothing_acknowledged(
    plane: ControlPlane, admin: KubeClient
) -> None:
    acknowledged: dict[str, str] = {}

    async def write() -> None:
        for number in range(10_000):
            acknowledged.update(await fill(admin, f"midst-{number}", 1))

    writers = asyncio.create_task(write())
    async with asyncio.timeout(60):
        while len(acknowledged) <= 20:
            await asyncio.sleep(0.01)
    await plane.kill()
    results = await asyncio.gather(writers, return_exceptions=True)
    assert isinstance(results[0], Exception)
    await plane.start()
    assert (await stored(admin)).items() >= acknowledged.items()


async def test_a_clean_stop_needs_no_kill_and_keeps_all(plane: ControlPlane, admin: KubeClient) -> None:
    acknowledged = await fill(admin, "clean")
    processes = dict(plane.processes)
    await plane.stop()
    assert [name for name, process in processes.items() if process.returncode == -signal.SIGKILL] == []
    await plane.start()
    assert (await stored(admin)).items() >= acknowledged.items()


async def test_only_the_api_server_listens_and_only_on_the_loopback(plane: ControlPlane) -> None:
    sockets = {name: listening(process.pid) for name, process in plane.processes.items()}
    assert sockets == {
        "etcd": set(),
        "kube-apiserver": {("127.0.0.1", plane.port)},
        "kube-controller-manager": set(),
    }


async def test_etcd_answers_its_owner_on_its_socket(plane: ControlPlane) -> None:
    assert await answered(lambda: ask_socket(plane.folder / "etcd:0", "/health")) == 200


def test_every_file_is_the_owners_alone(plane: ControlPlane) -> None:
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in [plane.folder, *plane.folder.rglob("*")]}
    assert modes[plane.folder] == 0o700
    # Certificates are no secret, and lie in a folder that nobody else may enter.
    public = {plane.credentials.authority}
    assert {str(path): oct(mode) for path, mode in modes.items() if mode & 0o077 and path not in public} == {}


def test_no_secret_is_among_the_arguments(plane: ControlPlane) -> None:
    secrets = [row.split(",")[0].encode() for row in plane.credentials.tokens.read_text().splitlines()]
    for process in plane.processes.values():
        line = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        assert not [secret for secret in secrets if secret in line]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/version"])
async def test_a_stranger_may_see_that_it_works(plane: ControlPlane, path: str) -> None:
    assert await anonymous(plane, path) == 200


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/api", "/apis", "/api/v1", "/openapi/v3", "/metrics", "/logs", "/debug/pprof/", "/configz"),
        *("/api/v1/namespaces", "/api/v1/secrets", "/api/v1/namespaces/default/configmaps"),
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    ],
)
async def test_a_stranger_may_see_nothing_else(plane: ControlPlane, path: str) -> None:
    assert await anonymous(plane, path) == 403


async def test_a_wrong_token_is_refused(plane: ControlPlane) -> None:
    assert await anonymous(plane, "/livez", "wrong") == 401


async def test_the_controllers_are_no_administrators(plane: ControlPlane) -> None:
    token = json.loads(plane.credentials.controller_manager.read_text())["users"][0]["user"]["token"]
    assert await anonymous(plane, "/metrics", token) == 403  # which every master may see


async def test_another_servers_certificate_is_not_accepted(plane: ControlPlane, control_plane: ControlPlane) -> None:
    stranger = Credentials(control_plane.folder, plane.port)
    tls = ssl.create_default_context(cafile=str(stranger.authority))
    assert (await ask_port(plane.port, "/livez", tls=tls)).status == 0


async def test_an_organization_is_a_namespace(kube: KubeClient, organization: str) -> None:
    answer = await kube.connection.request("GET", f"/api/v1/namespaces/{organization}")
    assert answer["status"]["phase"] == "Active"
