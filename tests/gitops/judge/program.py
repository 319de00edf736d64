"""Finds the judge in our cache, else builds it into it, once for each version of the sources beside this file."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from deplite.local.controlplane.find import Report
from deplite.local.controlplane.recipe import Recipe
from tests import programs

NAME = "judge"
FOLDER = Path(__file__).parent
RECIPE = Recipe(
    title="the judge of GitOps tools",
    sources=FOLDER,
    packages={NAME: "."},
    files=("go.mod", "go.sum", *sorted(path.name for path in FOLDER.glob("*.go"))),
)


async def find_or_build(
    report: Report = programs.ignore, environment: Mapping[str, str] | None = None, caches: Path | None = None
) -> Path:
    """Return the path of the judge, and build it first where it is not in the cache (half a minute on two cores).

    Raises:
        MissingError: no usable Go, or too little disk.
        BuildError: the build failed.
    """
    digest = hashlib.sha256(b"\0".join((FOLDER / name).read_bytes() for name in RECIPE.files)).hexdigest()
    return await programs.find_or_build(NAME, digest[:12], RECIPE, report, environment, caches)
