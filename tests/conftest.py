"""What the tests share: one real control plane and one object store a session, a namespace of its own for each test.

Nothing is imported or started until a test asks for it: the unit tests need none of it.
"""

import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
import pytest_asyncio

from tests.ports import keep_to

if TYPE_CHECKING:
    from deplite.kube.client import KubeClient
    from deplite.local.accounts import Account
    from deplite.local.controlplane import ControlPlane
    from deplite.local.objectstore import ObjectStore
    from tests.valkey import Valkey

pytest_plugins = ["tests.auditing.plugin", "tests.failures"]

hypothesis.settings.register_profile(
    "deplite",
    # A loaded machine is slow, and that is no failure.
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    # In CI a change answers for what it did, not for an example that nobody had met before.
    derandomize=bool(os.environ.get("CI")),
)
hypothesis.settings.load_profile("deplite")
keep_to(os.environ)


@pytest.fixture
def seed() -> int:
    """What chance depends on; printed, so that a failure can be repeated with DEPLITE_SEED."""
    chosen = int(os.environ.get("DEPLITE_SEED") or secrets.randbelow(2**31))
    print(f"DEPLITE_SEED={chosen}")
    return chosen


@pytest.fixture(scope="session")
def session_folder() -> Iterator[Path]:
    """An empty folder, removed at the end: pytest would keep those of its last runs, hundreds of megabytes each."""
    folder = Path(tempfile.mkdtemp(prefix="deplite-tests-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest_asyncio.fixture(scope="session")
async def control_plane(session_folder: Path) -> "AsyncIterator[ControlPlane]":
    """The real control plane with our CustomResourceDefinitions, served."""
    from tests.planes import plane_in

    async with plane_in(session_folder / "cp") as plane:
        yield plane


@pytest_asyncio.fixture(scope="session")
async def kube(control_plane: "ControlPlane") -> "AsyncIterator[KubeClient]":
    """The Kubernetes API with all rights."""
    from deplite.kube.client import KubeClient

    client = await KubeClient.connect(control_plane.kubeconfig)
    yield client
    await client.close()


@pytest_asyncio.fixture(scope="session")
async def accounts(control_plane: "ControlPlane", session_folder: Path) -> "AsyncIterator[dict[str, Account]]":
    """The ServiceAccount of each part on it, with exactly the rights that are granted."""
    from tests.accounts import accounts_on

    async with accounts_on(control_plane, session_folder / "accounts") as issued:
        yield issued


@pytest_asyncio.fixture
async def organization(kube: "KubeClient") -> AsyncIterator[str]:
    """The name of a fresh organization: its namespace with the RoleBindings of the parts."""
    from tests.organizations import clear_organization, create_organization

    name = f"org-{secrets.token_hex(5)}"
    await create_organization(kube, name)
    yield name
    await clear_organization(kube, name)


@pytest_asyncio.fixture(scope="session")
async def object_store(session_folder: Path) -> "AsyncIterator[ObjectStore]":
    """A real S3 server with an empty bucket."""
    from deplite.local.objectstore import PURPOSES, ObjectStore
    from deplite.local.ports import choose

    store = ObjectStore(session_folder / "os", choose(PURPOSES, {}))
    await store.start()
    yield store
    await store.kill()  # a clean stop takes 15 s and more


@pytest_asyncio.fixture
async def mortal(tmp_path: Path) -> "AsyncIterator[Valkey]":
    """A Valkey of the test's own, to be broken."""
    from tests.valkey import Valkey

    server = Valkey(tmp_path / "valkey")
    await server.start()
    yield server
    await server.kill()


@pytest_asyncio.fixture(scope="session")
async def valkey(session_folder: Path) -> "AsyncIterator[Valkey]":
    """A real Valkey with a password; who breaks it takes one of their own."""
    from tests.valkey import Valkey

    server = Valkey(session_folder / "valkey")
    await server.start()
    yield server
    await server.kill()
