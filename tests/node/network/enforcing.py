"""The enforcer as a process in a machine's network."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from deplite.local.process import Process, Program, clean_environment
from tests.node.inside import inside

ROOT = Path(__file__).parents[3]


@asynccontextmanager
async def enforcing(pid: int, kubeconfig: Path, log: Path) -> AsyncIterator[None]:
    """Enforce what a cluster says in the network of a process.

    Raises:
        AssertionError: it ended before the block did, so that something may have passed that must not.
    """
    program = Program(
        name=log.stem,
        argv=(sys.executable, "-m", "tests.node.network", str(kubeconfig)),
        cwd=ROOT,
        env=clean_environment(),
        log=log,
    )
    with inside(pid):
        process = await Process.start(program)
    try:
        yield
        assert process.returncode is None, f"{log} says why"
    finally:
        await process.stop()
