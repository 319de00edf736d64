"""Finds CoreDNS and `pause` in our cache, else builds them into it, once for each version of their sources."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from deplite.local.controlplane.find import Report
from deplite.local.controlplane.recipe import Recipe
from tests import programs

NAMES = ("coredns", "pause")
FOLDER = Path(__file__).parent
RECIPE = Recipe(
    title="CoreDNS and pause",
    sources=FOLDER,
    packages={name: f"./{name}" for name in NAMES},
    files=("go.mod", "go.sum", *(f"{name}/main.go" for name in NAMES)),
    trial="-version",
)


async def find_or_build(
    report: Report, environment: Mapping[str, str] | None = None, caches: Path | None = None
) -> dict[str, Path]:
    """Return their paths by name.

    Raises:
        MissingError: no usable Go, or too little disk.
        BuildError: the build failed.
    """
    digest = hashlib.sha256(b"\0".join((FOLDER / name).read_bytes() for name in RECIPE.files)).hexdigest()
    return await programs.find_or_build_all(f"node-{digest[:12]}", RECIPE, report, environment, caches)
