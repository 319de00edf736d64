"""Finds Helm in our cache, else builds it into it, once: `go.mod` and `go.sum` beside this file pin its sources."""

from collections.abc import Mapping
from pathlib import Path

from deplite.local.controlplane.find import Report
from deplite.local.controlplane.recipe import Recipe
from tests import programs

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


async def find_or_build(
    report: Report = programs.ignore, environment: Mapping[str, str] | None = None, caches: Path | None = None
) -> Path:
    """Return the path of Helm, and build it first where it is not in the cache (three minutes on two cores).

    Raises:
        MissingError: no usable Go, or too little disk.
        BuildError: the build failed.
    """
    return await programs.find_or_build(NAME, VERSION, RECIPE, report, environment, caches)
