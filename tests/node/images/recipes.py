"""The images that the tests have: their names, as the chart's values have them, and what each is made of."""

import shutil
import sysconfig
import tomllib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from deplite.local.errors import MissingError
from deplite.local.seaweedfs import find_weed
from deplite.local.valkey import binary
from tests.node import programs
from tests.node.images.context import Context, read_context

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).parent
POOLS = HERE.parent / "pools"
RELEASE: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
VALUES = yaml.safe_load((ROOT / "charts/deplite/values.yaml").read_text())
SYSTEM = "system"
APPLICATION = "application"
GROUPS = (SYSTEM, APPLICATION)


@dataclass(frozen=True)
class Recipe:
    """One image."""

    name: str
    group: str
    """The images of a group are in one archive, where what they share is once."""
    dockerfile: Path
    context: Callable[[], Awaitable[Context]]


async def _repository() -> Context:
    return read_context(ROOT)


async def _system() -> Context:
    return Context(await programs.find_or_build(["pause", "coredns"]))


async def _valkey() -> Context:
    return Context({"valkey-server": binary()})


async def _seaweedfs() -> Context:
    return Context({"weed": find_weed()})


async def _workflows() -> Context:
    return read_context(POOLS)


async def _pool() -> Context:
    return Context({**read_context(ROOT / "examples/pool").files, "kubectl": _kubectl()})


def _kubectl() -> Path:
    found = shutil.which("kubectl", path=sysconfig.get_path("scripts"))
    if not found:
        raise MissingError("kubectl is not installed beside Python: run `make setup`")
    return Path(found)


def _of_the_chart(values: Mapping[str, dict[str, dict[str, str]]], part: str) -> str:
    image = values[part]["image"]
    return f"{image['repository']}:{image['tag'] or RELEASE}"


AGENT = f"deplite/agent:{RELEASE}"
RECIPES = (
    Recipe("deplite-node/pause:1", SYSTEM, HERE / "pause.Dockerfile", _system),
    Recipe("deplite-node/coredns:1", SYSTEM, HERE / "coredns.Dockerfile", _system),
    Recipe(_of_the_chart(VALUES, "apiserver"), APPLICATION, ROOT / "apiserver/Dockerfile", _repository),
    Recipe(_of_the_chart(VALUES, "operator"), APPLICATION, ROOT / "operator/Dockerfile", _repository),
    Recipe(AGENT, APPLICATION, ROOT / "agent/Dockerfile", _repository),
    Recipe(_of_the_chart(VALUES, "valkey"), APPLICATION, HERE / "valkey.Dockerfile", _valkey),
    Recipe(_of_the_chart(VALUES, "seaweedfs"), APPLICATION, HERE / "seaweedfs.Dockerfile", _seaweedfs),
    Recipe("deplite-node/agent-with-tools:1", APPLICATION, ROOT / "examples/pool/Dockerfile", _pool),
    Recipe("deplite-node/agent-with-workflows:1", APPLICATION, POOLS / "Dockerfile", _workflows),
)
"""An image may be built FROM one that is above it."""
