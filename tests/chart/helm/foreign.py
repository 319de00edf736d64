"""The kinds of others that the chart makes objects of: their published schemas, fetched as Go modules, once.

A module is what its hash says; where another one is served, nothing of it is kept.
"""

import asyncio
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deplite.local.controlplane.find import cache_folder
from deplite.local.controlplane.golang import environment_for, find_go
from deplite.local.errors import BuildError


@dataclass(frozen=True)
class Foreign:
    """One CustomResourceDefinition of somebody else's."""

    module: str
    version: str
    sum: str
    """Go's hash of the module's content."""
    path: str
    """Of the file in the module."""


HTTP_ROUTE = Foreign(
    "sigs.k8s.io/gateway-api",
    "v1.6.2",
    "h1:vh5YzKlbdBivEaLX61+APKLGRq4tZ7Fj4XfGkv08xB4=",
    "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
)
SERVICE_MONITOR = Foreign(
    "github.com/prometheus-operator/prometheus-operator",
    "v0.85.0",
    "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
    "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
)
KINDS = (HTTP_ROUTE, SERVICE_MONITOR)


async def find_or_fetch(environment: Mapping[str, str] | None = None) -> list[Path]:
    """Return the files of all of them, and fetch those that are not in the cache.

    Raises:
        MissingError: no usable Go.
        BuildError: a module cannot be had, or is another one.
    """
    chosen = os.environ if environment is None else environment
    folder = cache_folder(chosen).with_name("foreign")
    return [await _find_or_fetch(kind, folder, chosen) for kind in KINDS]


async def _find_or_fetch(kind: Foreign, folder: Path, environment: Mapping[str, str]) -> Path:
    target = folder / f"{kind.version}-{Path(kind.path).name}"
    if not target.exists():
        scratch = folder / f"{target.name}.{os.getpid()}"
        scratch.mkdir(parents=True)
        try:
            source = await _fetch(kind, scratch, environment)
            shutil.copyfile(source, scratch / "whole")
            (scratch / "whole").replace(target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return target


async def _fetch(kind: Foreign, scratch: Path, environment: Mapping[str, str]) -> Path:
    go = await find_go(environment)
    child = await asyncio.create_subprocess_exec(
        go,
        *("mod", "download", "-modcacherw", "-json", f"{kind.module}@{kind.version}"),
        cwd=scratch,
        # The hash is compared here.
        env=environment_for(scratch, environment) | {"GONOSUMDB": "*", "GOFLAGS": ""},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await child.communicate()
    found = json.loads(said or b"{}")
    if found.get("Sum") != kind.sum:
        raise BuildError(f"{kind.module} {kind.version}: {found.get('Error') or 'its content is not what was pinned'}")
    return Path(found["Dir"]) / kind.path
