"""Finds Helm in our cache, else builds it into it, once: `go.mod` and `go.sum` beside this file pin its sources."""

import os
from collections.abc import Mapping
from pathlib import Path

from deplite.local.controlplane.build import build
from deplite.local.controlplane.find import Report, cache_folder, search_folder
from deplite.local.controlplane.recipe import Recipe

VERSION = "4.3.1"
"""Of Helm; `go.mod` says the same."""
NAME = "helm"
_STAMP = "helm.sh/helm/v4/internal/version"
RECIPE = Recipe(
    title="Helm",
    sources=Path(__file__).parent,
    packages={NAME: "helm.sh/helm/v4/cmd/helm"},
    linker=f"-s -w -X {_STAMP}.version=v{VERSION} -X {_STAMP}.gitTreeState=clean",
    trial="version",
)


def _ignore(done: float, total: float, note: str) -> None:
    """Show nothing."""


async def find_or_build(report: Report = _ignore, environment: Mapping[str, str] | None = None) -> Path:
    """Return the path of Helm, and build it first where it is not in the cache (three minutes on two cores).

    Raises:
        MissingError: no usable Go, or too little disk.
        BuildError: the build failed.
    """
    chosen = os.environ if environment is None else environment
    folder = cache_folder(chosen).with_name(f"helm-{VERSION}")
    found = search_folder(folder, [NAME]) or await build([NAME], folder, chosen, report, RECIPE)
    return found[NAME]
