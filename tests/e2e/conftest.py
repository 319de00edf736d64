"""One `deplite up` for the session, as a user starts it, and organizations of their own for the tests on it."""

import json
import os
import secrets
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.lacking import skip_for

ROOT = Path(__file__).resolve().parents[2]
DEPLITE = str(Path(sys.executable).parent / "deplite")


@dataclass(frozen=True)
class Deployment:
    """What `deplite up` left in its data folder."""

    data: Path
    url: str
    organization: str
    jwt: str
    kubeconfig: Path

    @property
    def agent_id(self) -> str:
        """The agent that it enrolled."""
        return str(json.loads((self.data / "state.json").read_text())["agentId"])

    @property
    def environment(self) -> dict[str, str]:
        """What a shell has after sourcing the env file."""
        return read_env(self.data / "env")


def deplite(*arguments: str, timeout: float = 280, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the `deplite` command of this environment and return what it printed."""
    variables = os.environ | environment
    return subprocess.run(
        [DEPLITE, *arguments], capture_output=True, text=True, timeout=timeout, cwd=ROOT, env=variables, check=False
    )


def read_env(path: Path) -> dict[str, str]:
    """Return the variables of an env file, as a shell would read them."""
    words = shlex.split(path.read_text(), comments=True)
    return dict(word.split("=", 1) for word in words if "=" in word)


@contextmanager
def deployed(data: Path, *arguments: str) -> Iterator[Deployment]:
    """Start everything in a folder, and stop it in the end."""
    started = deplite("up", "--detach", "--data", str(data), *arguments)
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        env = read_env(data / "env")
        yield Deployment(
            data=data,
            url=env["DEPLITE_URL"],
            organization=env["DEPLITE_ORG_ID"],
            jwt=env["DEPLITE_JWT"],
            kubeconfig=Path(env["KUBECONFIG"]),
        )
    finally:
        stopped = deplite("down", "--data", str(data))
        assert stopped.returncode == 0, stopped.stdout + stopped.stderr


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed(tmp_path_factory.mktemp("up")) as made:
        yield made


@pytest_asyncio.fixture
async def new_organization(deployment: Deployment) -> AsyncIterator[str]:
    """A fresh organization with the owner of `deplite up`, made as the chart or Git makes one."""
    from deplite.kube.client import KubeClient
    from deplite.resources import Organization
    from deplite.resources.resource import Meta
    from tests.organizations import create_organization, delete_namespace

    kube = await KubeClient.connect(deployment.kubeconfig)
    try:
        owner = await kube.get(Organization, deployment.organization, "organization")
        name = f"org-{secrets.token_hex(4)}"
        await create_organization(kube, name)
        await kube.create(Organization(metadata=Meta(name="organization", namespace=name), spec=owner.spec))
        yield name
        await delete_namespace(kube, name)
    finally:
        await kube.close()


def require(*programs: str) -> None:
    """Skip where a program that pip cannot bring is missing; in CI that is an error."""
    import shutil

    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        skip_for(f"missing: {', '.join(missing)}; install with: apt-get install curl jq uuid-runtime")
