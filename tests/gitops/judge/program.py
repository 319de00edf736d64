"""Finds the judge in our cache, else builds it into it, once for each version of the sources beside this file."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from deplite.local.controlplane.build import build
from deplite.local.controlplane.find import Report, cache_folder, search_folder
from deplite.local.controlplane.recipe import Recipe

NAME = "judge"
FOLDER = Path(__file__).parent
RECIPE = Recipe(
    title="the judge of GitOps tools",
    sources=FOLDER,
    packages={NAME: "."},
    files=("go.mod", "go.sum", *sorted(path.name for path in FOLDER.glob("*.go"))),
)


def _ignore(done: float, total: float, note: str) -> None:
    """Show nothing."""


async def find_or_build(report: Report = _ignore, environment: Mapping[str, str] | None = None) -> Path:
    """Return the path of the judge, and build it first where it is not in the cache (half a minute on two cores).

    Raises:
        MissingError: no usable Go, or too little disk.
        BuildError: the build failed.
    """
    chosen = os.environ if environment is None else environment
    digest = hashlib.sha256(b"\0".join((FOLDER / name).read_bytes() for name in RECIPE.files)).hexdigest()
    folder = cache_folder(chosen).with_name(f"judge-{digest[:12]}")
    found = search_folder(folder, [NAME]) or await build([NAME], folder, chosen, report, RECIPE)
    return found[NAME]
