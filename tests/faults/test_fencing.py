"""A replica that stands still past the sweeper's Lease, and wakes in the middle of what it was about to write."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite.local.controlplane import ControlPlane
from deplite.local.objectstore import ObjectStore
from deplite.resources import DeployJob
from deplite.resources.resource import utc
from deplite_apiserver.logs.lines import encode, line
from deplite_apiserver.storage.pieces import LogName, part_key
from deplite_apiserver.storage.s3 import S3Store
from tests.faults.twins import Twins
from tests.kube.serving import until
from tests.kube.storing import place_of
from tests.planes import plane_in


@pytest_asyncio.fixture
async def own_plane(tmp_path: Path) -> AsyncIterator[ControlPlane]:
    """A control plane without another apiserver of ours, which would hold the Lease."""
    async with plane_in(tmp_path / "cp") as plane:
        yield plane


@pytest_asyncio.fixture
async def twins(tmp_path: Path, own_plane: ControlPlane, object_store: ObjectStore) -> AsyncIterator[Twins]:
    async with Twins.running(tmp_path, own_plane, object_store) as running:
        yield running


@pytest_asyncio.fixture
async def bucket(object_store: ObjectStore) -> AsyncIterator[S3Store]:
    store = S3Store(place_of(object_store))
    yield store
    await store.close()


_LOST = ("Somebody else holds the lease", "could not be renewed within")
"""Which of them depends on how quickly the API server answers."""


async def declared(kube: KubeClient, organization: str, **spec: Any) -> DeployJob:
    body = {"metadata": {"name": f"j-{secrets.token_hex(4)}", "namespace": organization}}
    return await kube.create(DeployJob.model_validate(body | {"spec": {"agent": "a", "workflow": "w"} | spec}))


async def stands_and_wakes(
    twins: Twins, place: str, *, begin: Callable[[], Awaitable[None]], done: Callable[[], Awaitable[bool]], said: str
) -> None:
    """Let the holder stand still at a place past its Lease, until the other one has done the work; then wake it.

    Args:
        twins: both.
        place: the failpoint.
        begin: makes the work that leads there.
        done: whether the work is done.
        said: what the one that wakes logs of a write that was refused to it.
    """
    holder, other = await twins.holder()
    holder.stop_at(place)
    await begin()

    async def stands() -> bool:
        return holder.stands_at(place)

    await until(stands, True)
    assert not await done()
    await until(done, True, seconds=120)
    assert "holds the lease" in other.log()
    holder.writes.clear()
    before = len(holder.log())
    holder.go_on()

    async def lost() -> bool:
        return any(words in holder.log()[before:] for words in _LOST)

    async def refused() -> bool:
        return said in holder.log()[before:]

    await until(lost, True)
    await until(refused, True)  # it was about to: nobody but the fence kept it from writing
    assert holder.writes == []


async def test_who_wakes_after_its_lease_gives_no_turn(twins: Twins) -> None:
    async with twins.cluster() as kube:
        made: list[DeployJob] = []

        async def begin() -> None:
            made.append(await declared(kube, twins.organization, concurrencyGroup="prod", concurrencyPlace=1))

        async def done() -> bool:
            return (await kube.get(DeployJob, *made[0].key)).status.turn_at is not None

        await stands_and_wakes(
            twins,
            "apiserver.transition.decided",
            begin=begin,
            done=done,
            said="The lease is no longer held here",
        )


@pytest.mark.full
async def test_who_wakes_after_its_lease_writes_no_index_of_a_log(twins: Twins, bucket: S3Store) -> None:
    """An index of an older merge would hide the lines of a later one."""
    async with twins.cluster() as kube:
        job = await declared(kube, twins.organization)
        name = LogName(organization=job.namespace, storage_key=job.storage_key)

        async def begin() -> None:
            for seq in range(3):
                data = encode([line(seq=seq, stream="raw", content=f"line {seq}\n")])
                await bucket.put(part_key(name, seq, seq, data), data)
            ended = utc(datetime.now(UTC) - timedelta(minutes=6))
            status = {"phase": "Succeeded", "exitCode": 0, "startedAt": ended, "finishedAt": ended}
            await kube.patch_status(DeployJob, *job.key, status)

        async def done() -> bool:
            return await bucket.get(name.index) is not None

        await stands_and_wakes(
            twins, "apiserver.logs.merged", begin=begin, done=done, said="storage put failed: NotHeldError"
        )

        async def parts() -> int:
            return sum("/p" in one.key for one in await bucket.list(name.prefix))

        await until(parts, 0, seconds=150)
        assert await bucket.get(name.index) is not None
