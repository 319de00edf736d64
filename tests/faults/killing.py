"""Who is killed in a soak, how often, and when."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.faults.fleet import FleetAgent
from tests.faults.site import Site

SHARED = {
    "etcd": 3,
    "kube-apiserver": 3,
    "seaweedfs": 3,
    "operator": 2,
    "kube-controller-manager": 1,
}
"""How often each part is chosen, against 3 of each agent, and these where there is one apiserver, or two."""
ONE = {"apiserver": 5}
TWO = {"apiserver-1": 4, "apiserver-2": 4, "valkey": 3}
AGENT_WEIGHT = 3
IN_FLIGHT = 20
"""Fewer jobs that were started and have not ended make a kill void: it is not done."""


@dataclass(kw_only=True)
class Killing:
    """SIGKILL for one after the other, each time that so many more jobs were acknowledged.

    Attributes:
        kills: how many there are to be.
        jobs: over how many acknowledged jobs they are spread.
        acknowledged: tells how many there are by now.
        in_flight: tells how many were started and have not ended.
        done: how often each was killed.
    """

    site: Site
    agents: list[FleetAgent]
    kills: int
    jobs: int
    acknowledged: Callable[[], int]
    in_flight: Callable[[], int]
    chance: random.Random
    done: Counter[str] = field(default_factory=Counter)

    @property
    def over(self) -> bool:
        """Whether there were enough."""
        return self.done.total() >= self.kills

    async def run(self) -> None:
        """Kill until there were enough, and wait until those who start again by our hand have."""
        parts = SHARED | (TWO if len(self.site.doors) > 1 else ONE)
        victims: list[str | FleetAgent] = [*parts, *self.agents]
        weights = [*parts.values(), *(AGENT_WEIGHT for _ in self.agents)]
        restarts: set[asyncio.Task[None]] = set()
        while not self.over:
            await asyncio.sleep(0.2)
            due = self.done.total() * self.jobs / self.kills
            if self.acknowledged() < due or self.in_flight() < IN_FLIGHT:
                continue
            victim = self.chance.choices(victims, weights)[0]
            if isinstance(victim, str):
                self._kill(victim)
            elif victim.running:
                await victim.kill()
                self.done["agents"] += 1
                restart = asyncio.create_task(_restart(victim, self.chance.uniform(0, 2)))
                restarts.add(restart)
                restart.add_done_callback(restarts.discard)
        await asyncio.gather(*restarts)

    def _kill(self, part: str) -> None:
        if self.site.pid(part) is not None:
            with contextlib.suppress(ProcessLookupError):
                self.site.kill_now(part)
                self.done[part] += 1


async def _restart(agent: FleetAgent, seconds: float) -> None:
    await asyncio.sleep(seconds)
    await agent.launch()
