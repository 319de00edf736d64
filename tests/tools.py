"""`python -m tests.tools`: gets every program that the tests run, so that they need seconds.

Those that are missing are built one after the other with one set of Go's caches, which go when all are there: what
they have in common is fetched and compiled once.
"""

import asyncio
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock
from rich.console import Console

from deplite.local.controlplane import find_or_build
from deplite.local.controlplane.find import cache_folder
from deplite.local.errors import LocalError
from deplite.local.progress import Steps
from tests.chart import helm
from tests.chart.helm import foreign
from tests.gitops import judge
from tests.node import needs, programs


@contextmanager
def shared_caches() -> Iterator[Path]:
    """Have a folder for Go's caches as long as the block runs; another process that wants it waits."""
    folder = cache_folder(os.environ).with_name("shared.build")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        shutil.rmtree(folder, ignore_errors=True)  # left by one that was killed
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


async def get(steps: Steps, caches: Path) -> None:
    """Get all of them.

    Raises:
        MissingError: no usable Go, or too little disk.
        BuildError: a build failed.
    """
    if (lacking := needs.missing()) and not os.environ.get("DEPLITE_REQUIRE_ALL"):
        steps.say(f"Without a node: {lacking}.")
    else:
        with steps.step("The control plane and a node of Kubernetes, in one build") as step:
            await programs.find_or_build(report=step.advance, caches=caches)
    with steps.step("Programs of the control plane") as step:
        step.note = str((await find_or_build(step.advance)).kube_apiserver.parent)
    with steps.step("Helm, for the tests of the chart") as step:
        await foreign.find_or_fetch()
        step.note = str(await helm.find_or_build(step.advance, caches=caches))
    with steps.step("Flux's and Argo CD's view of objects, for the tests of GitOps") as step:
        step.note = str(await judge.find_or_build(step.advance, caches=caches))


def main() -> None:
    steps = Steps(Console())
    try:
        with steps.shown(), shared_caches() as caches:
            asyncio.run(get(steps, caches))
    except LocalError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
