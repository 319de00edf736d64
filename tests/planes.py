"""Control planes for tests: the real thing, with our CustomResourceDefinitions, gone after use."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from deplite.local.controlplane import ControlPlane, find_or_build
from deplite.local.ports import choose
from tests.definitions import apply_definitions


@asynccontextmanager
async def plane_in(folder: Path, *, definitions: bool = True) -> AsyncIterator[ControlPlane]:
    """Run one in a folder; without our CustomResourceDefinitions where somebody else is to bring them."""
    ports = choose(["kube-apiserver"], {})
    plane = ControlPlane(folder, await find_or_build(), ports["kube-apiserver"], fsync=False)
    await plane.start()
    try:
        if definitions:
            await apply_definitions(plane)
        yield plane
    finally:
        await plane.stop()
