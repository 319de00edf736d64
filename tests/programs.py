"""Programs of others that the tests run: found in our cache, else built into it from Go modules, once."""

import os
from collections.abc import Mapping
from pathlib import Path

from deplite.local.controlplane.build import build
from deplite.local.controlplane.find import Report, cache_folder, search_folder
from deplite.local.controlplane.recipe import Recipe


def ignore(done: float, total: float, note: str) -> None:
    """Show nothing of the progress."""


async def find_or_build(
    name: str,
    version: str,
    recipe: Recipe,
    report: Report,
    environment: Mapping[str, str] | None,
    caches: Path | None = None,
) -> Path:
    """Return the path of a program, and build it first where this version of it is not in the cache.

    Raises:
        MissingError: no usable Go, or too little disk.
        BuildError: the build failed.
    """
    return (await find_or_build_all(f"{name}-{version}", recipe, report, environment, caches))[name]


async def find_or_build_all(
    folder: str, recipe: Recipe, report: Report, environment: Mapping[str, str] | None, caches: Path | None = None
) -> dict[str, Path]:
    """Return the paths of a recipe's programs by name, in a folder of our cache.

    Args:
        folder: its name.
        recipe: what is built where one is missing.
        report: told how far the build is.
        environment: in place of ours.
        caches: the folder of Go's caches, where several builds are to share them.

    Raises:
        MissingError: no usable Go, or too little disk.
        BuildError: the build failed.
    """
    chosen = os.environ if environment is None else environment
    target = cache_folder(chosen).with_name(folder)
    names = list(recipe.packages)
    found = search_folder(target, names)
    return found if len(found) == len(names) else await build(names, target, chosen, report, recipe, caches)
