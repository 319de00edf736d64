"""A bench whose time a test moves: in steps, as for a process that listens, or in a leap, as for one that slept."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from deplite.kube.client import KubeClient
from deplite.kube.connection import MERGE_PATCH
from deplite.kube.errors import NotFoundError
from deplite.resources import Agent, Resource
from deplite_apiserver.jobs.desk import LEASE_NAME, Desk
from deplite_apiserver.settings import Settings
from tests.kube.edge.people import People
from tests.kube.jobs.conftest import Bench, benched
from tests.kube.serving import MovableClock, served, until
from tests.organizations import SYSTEM_NAMESPACE

STEP = 5.0
"""Seconds that are no pause of the process."""
_LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{SYSTEM_NAMESPACE}/leases/{LEASE_NAME}"


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """One replica, alone, and its clock."""

    bench: Bench
    clock: MovableClock

    @property
    def desk(self) -> Desk:
        return self.bench.replica.context.desk

    async def listen(self, seconds: float, *, deaf: float = 0.0, beats: bool = False) -> None:
        """Let time pass while the replica listens; with `beats` the agent sends heartbeats, as it should."""
        end = self.clock.monotonic() + seconds
        while (left := end - self.clock.monotonic()) > 0:
            self.clock.ahead += min(STEP, left)
            self.desk.hearing.tick(deaf)
            if beats:
                answer = await self.bench.agent.call("POST", "/agent/heartbeat")
                assert answer.status_code == 204, answer.text

    def sleep(self, seconds: float) -> None:
        """Let time pass in one leap: the process stood still, or nobody cares who was heard."""
        self.clock.ahead += seconds

    async def sweep(self, desk: Desk | None = None) -> None:
        """Have every duty of the sweeper done now, by this replica or by another one's desk."""
        desk = desk or self.desk
        await take_lease(self.bench.kube, desk)
        await desk.sweeper.round()

    async def state(self) -> str:
        """Return what the cluster shows of the agent."""
        return (await self.bench.kube.get(Agent, self.bench.namespace, self.bench.agent_name)).status.state


def made_at(made: Resource) -> datetime:
    """Return when the API server says that an object was made: by the clock of the world, in whole seconds."""
    assert made.metadata.creation_timestamp is not None
    return made.metadata.creation_timestamp


async def take_lease(kube: KubeClient, desk: Desk) -> None:
    """Make a replica the holder of the sweeper's Lease, as kubectl can: only its duties write."""

    async def held() -> bool:
        if not desk.leads:
            body = {"spec": {"holderIdentity": desk.identity}}
            with contextlib.suppress(NotFoundError):  # nobody has held it yet: this one is about to
                await kube.connection.request("PATCH", _LEASE, body=body, content_type=MERGE_PATCH)
            await asyncio.sleep(0.5)
        return desk.leads

    await until(held, True, seconds=60)


@asynccontextmanager
async def timeline(settings: Settings, kube: KubeClient, namespace: str, people: People) -> AsyncIterator[Timeline]:
    """Serve a replica with a clock of its own, and fill an organization."""
    clock = MovableClock()
    async with served(settings, clock) as replica, benched(kube, namespace, replica, people, clock=clock.time) as bench:
        yield Timeline(bench=bench, clock=clock)
