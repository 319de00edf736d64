"""What Helm does to a release that is in use: no call fails, and no deploy is lost."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.chart.chart import NAMESPACE, RELEASE, HelmError
from tests.faults.fleet import Fleet
from tests.faults.ledger import Ledger
from tests.node.images import RELEASE as RELEASE_TAG
from tests.node.release.installed import WAIT, Installed, part_of
from tests.node.release.outside import ServedSite, busy

NEXT_TAG = "next"


async def uids(installed: Installed, *parts: str) -> set[str]:
    """Return which pods there are of these parts."""
    return {pod["metadata"]["uid"] for pod in await installed.settled() if part_of(pod) in parts}


@asynccontextmanager
async def rolled(installed: Installed) -> AsyncIterator[None]:
    """Meanwhile apiservers and operator are replaced, and the stores are not."""
    ours, stores = await uids(installed, "apiserver", "operator"), await uids(installed, "valkey", "seaweedfs")
    yield
    assert await uids(installed, "apiserver", "operator") & ours == set()
    assert await uids(installed, "valkey", "seaweedfs") == stores


def images(pods: list[dict[str, Any]]) -> set[str]:
    """Return which images apiservers and operator have."""
    return {one["spec"]["containers"][0]["image"] for one in pods if part_of(one) in ("apiserver", "operator")}


async def test_an_upgrade_to_other_values(
    installed: Installed, served: ServedSite, outside: Fleet, ledger: Ledger
) -> None:
    values = "apiserver.pod.annotations.told=once,operator.pod.annotations.told=once"
    async with busy(served, outside, ledger), rolled(installed):
        await installed.upgrade("--reset-then-reuse-values", "--set", values)


async def test_an_upgrade_to_another_image_and_back(
    installed: Installed, served: ServedSite, outside: Fleet, ledger: Ledger
) -> None:
    for machine in installed.node.machines.values():
        for part in ("apiserver", "operator"):
            await machine.tag(f"deplite/{part}:{RELEASE_TAG}", f"deplite/{part}:{NEXT_TAG}")
    before = images(await installed.settled())
    async with busy(served, outside, ledger):
        async with rolled(installed):
            values = f"apiserver.image.tag={NEXT_TAG},operator.image.tag={NEXT_TAG}"
            await installed.upgrade("--reset-then-reuse-values", "--set", values)
        assert {name.rpartition(":")[2] for name in images(await installed.settled())} == {NEXT_TAG}
        async with rolled(installed):
            await installed.helm.run("rollback", RELEASE, "--namespace", NAMESPACE, *WAIT)
        assert images(await installed.settled()) == before


async def test_an_upgrade_that_cannot_work_leaves_all_as_it_was(
    installed: Installed, served: ServedSite, outside: Fleet, ledger: Ledger
) -> None:
    pods = await uids(installed, "apiserver", "operator", "valkey", "seaweedfs")
    wrong = ("--reset-then-reuse-values", "--set", "apiserver.image.tag=nobody-made-this")
    async with busy(served, outside, ledger):
        with pytest.raises(HelmError, match="not ready"):
            await installed.upgrade(*wrong, "--rollback-on-failure", "--timeout", "15s")
        assert await uids(installed, "apiserver", "operator", "valkey", "seaweedfs") == pods
