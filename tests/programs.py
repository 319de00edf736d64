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
    name: str, version: str, recipe: Recipe, report: Report, environment: Mapping[str, str] | None
) -> Path:
    """Return the path of a program, and build it first where this version of it is not in the cache.

    Raises:
        MissingError: no usable Go, or too little disk.
        BuildError: the build failed.
    """
    chosen = os.environ if environment is None else environment
    folder = cache_folder(chosen).with_name(f"{name}-{version}")
    found = search_folder(folder, [name]) or await build([name], folder, chosen, report, recipe)
    return found[name]
