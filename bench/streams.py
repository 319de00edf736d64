"""What thousands of open streams cost, and what a deploy waits while all their agents come back at once."""

import asyncio
from dataclasses import dataclass

from bench.fleet import Fleet, fleet
from bench.floor import bare
from bench.measure import Latency
from bench.replicas import replicas
from bench.site import Site, running
from bench.storm import Deploys

REPLICAS = 2
REST_SECONDS = 30.0
CPU_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True)
class Idle:
    """Streams on which nothing but keep-alive comments goes."""

    streams: int
    bytes_each: float
    """By which the apiservers' memory together has grown, for each."""
    cores: float
    """Of CPU, that the apiservers together use."""


@dataclass(frozen=True, kw_only=True)
class Storm:
    """All streams of one replica, or of both, ended at one moment."""

    what: str
    lost: int
    seconds: float
    """Until all were open again."""
    p50: float
    p99: float
    refused: int
    deploys: Latency


@dataclass(frozen=True, kw_only=True)
class Streams:
    """All that was measured."""

    idle: list[Idle]
    beating: float
    """Cores that the apiservers use with the most streams and the heartbeats of their agents."""
    rest: Latency
    """Deploys while nobody connects."""
    storms: list[Storm]


async def streams(sizes: list[int]) -> Streams:
    """Measure on an installation of its own."""
    print(f"Starting {REPLICAS} replicas …", flush=True)
    async with running(REPLICAS) as site, bare(site.kubeconfig, site.organization) as client:
        print(f"Enrolling {sizes[-1]} agents …", flush=True)
        async with fleet(site, sizes[-1]) as agents:
            deploys = await Deploys.of(site, client)
            await deploys.for_seconds(3)  # warms both up
            idle = await _idle(site, agents, sizes)
            await agents.tell("beat")
            beating = await _cores(site)
            print("Timing deploys at rest …", flush=True)
            rest = await deploys.for_seconds(REST_SECONDS)
            storms = [await _dropped(agents, deploys)]
            await agents.shown(sizes[-1])
            storms.append(await _killed(site, agents, deploys))
            return Streams(idle=idle, beating=beating, rest=rest, storms=storms)


async def _idle(site: Site, agents: Fleet, sizes: list[int]) -> list[Idle]:
    found, before = [], _memory(site)
    for size in sizes:
        print(f"Opening {size} streams …", flush=True)
        await agents.tell(f"open {size}")
        await agents.shown(size)
        cores = await _cores(site)
        found.append(Idle(streams=size, bytes_each=(_memory(site) - before) / size, cores=cores))
    return found


async def _cores(site: Site) -> float:
    used = [(one, one.cpu()) for one in replicas(site.data)]
    await asyncio.sleep(CPU_SECONDS)
    return sum(one.cpu() - then for one, then in used) / CPU_SECONDS


def _memory(site: Site) -> int:
    return sum(one.memory() for one in replicas(site.data))


async def _dropped(agents: Fleet, deploys: Deploys) -> Storm:
    print("Closing all streams at once …", flush=True)
    await agents.tell("sign")
    async with deploys.beside() as latency:
        await agents.tell("drop")
        found = await agents.tell("again")
    return Storm(what="all streams closed", deploys=latency, **found)


async def _killed(site: Site, agents: Fleet, deploys: Deploys) -> Storm:
    """Kill the replica that holds the stream of the agent to which deploys go: that one has to come back, too."""
    await deploys.for_seconds(3)
    print("Killing one of the replicas …", flush=True)
    holder = next(one for one in replicas(site.data) if one.sent(deploys.last))
    await agents.tell("sign")
    async with deploys.beside() as latency:
        holder.kill()
        found = await agents.tell("again")
    return Storm(what="kill -9 of a replica", deploys=latency, **found)
