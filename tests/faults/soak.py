"""The soak: many jobs of several callers and agents, while every part is killed again and again, in one seeded run."""

import asyncio
import contextlib
import itertools
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import httpx

from tests.faults.caller import Caller
from tests.faults.fleet import Fleet, FleetAgent
from tests.faults.ledger import Counters, Ledger
from tests.faults.site import Site

PARTS = {
    "apiserver": 5,
    "etcd": 3,
    "kube-apiserver": 3,
    "seaweedfs": 3,
    "operator": 2,
    "kube-controller-manager": 1,
}
"""How often each part is chosen, against 3 of each agent."""
AGENT_WEIGHT = 3
IN_FLIGHT = 20
"""Fewer jobs that were started and have not ended make a kill void: it is not done."""
REPORT_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How large a soak is: DEPLITE_SOAK_JOBS, _KILLS, _AGENTS and _WORKERS (callers at work at a time)."""

    jobs: int
    kills: int
    agents: int
    workers: int
    seed: int

    @classmethod
    def of_environment(cls, seed: int) -> "Plan":
        """Return the plan that the environment asks for; the whole soak unless it says otherwise."""
        sizes = {"jobs": 10_000, "kills": 500, "agents": 4, "workers": 96}
        chosen = {name: int(os.environ.get(f"DEPLITE_SOAK_{name.upper()}") or size) for name, size in sizes.items()}
        return cls(seed=seed, **chosen)


@dataclass(kw_only=True)
class Soak:
    """One run of a plan."""

    plan: Plan
    site: Site
    fleet: Fleet
    ledger: Ledger
    callers: list[Caller] = field(default_factory=list)
    killed: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    finished: set[str] = field(default_factory=set)
    """Jobs that the server says have ended."""
    retries: int = 0
    seconds: float = 0.0
    settled: float = 0.0
    counters: Counters = field(default_factory=Counters)

    @property
    def ended(self) -> int:
        """How many jobs have ended."""
        return sum(self.reasons.values())

    async def run(self) -> None:
        """Run every job, kill as planned, and compare both ends."""
        chance = random.Random(self.plan.seed)
        agents = [await self.fleet.add() for _ in range(self.plan.agents)]
        for agent in agents:
            # Half of the callers wait for the end in the call itself, half look for it.
            for mode in ("async", "sync"):
                caller = await Caller.for_agent(self.site, agent, responseMode=mode)
                caller.http.timeout = httpx.Timeout(70.0, connect=5.0)
                self.callers.append(caller)
        began = time.monotonic()
        jobs = self._jobs(random.Random(chance.random()))
        seeds = [chance.random() for _ in range(self.plan.workers)]
        background = [asyncio.create_task(self._tell(began)), asyncio.create_task(self._kill(chance, agents))]
        try:
            async with asyncio.TaskGroup() as group:
                for number, seed in enumerate(seeds):
                    caller = self.callers[number % len(self.callers)]
                    group.create_task(self._work(caller, jobs, random.Random(seed), f"w{number}"))
                group.create_task(_unless_failed(background))
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
        self.seconds = time.monotonic() - began
        await self._revive(agents)
        self.counters = await self._settle()
        self.settled = time.monotonic() - began - self.seconds

    def _jobs(self, chance: random.Random) -> Iterator[dict[str, Any]]:
        """Yield jobs until there were enough of them, and of kills."""
        for number in itertools.count():
            if number >= self.plan.jobs and self.killed.total() >= self.plan.kills:
                return
            yield _job(chance)

    async def _work(self, caller: Caller, jobs: Iterator[dict[str, Any]], chance: random.Random, name: str) -> None:
        """Fire one job after the other, each once the one before has ended."""
        sync = self.callers.index(caller) % 2 == 1
        for number, params in enumerate(jobs):
            job_id = await self._fire(caller, f"{name}-{number}", params)
            detail = await self._end_of(caller, job_id, 0.0 if sync else chance.uniform(0.5, 1.5))
            self.finished.add(job_id)
            self.reasons["success" if detail["status"] == "success" else detail["reason"]] += 1

    async def _fire(self, caller: Caller, key: str, params: dict[str, Any]) -> str:
        """Call with one key until there is a 2xx."""
        path, body = f"/triggers/{caller.trigger}/run", {"ref": "main", "params": params}
        while True:
            with contextlib.suppress(httpx.TransportError):
                answer = await caller.http.post(path, json=body, headers={"Idempotency-Key": key})
                if answer.status_code in (200, 202):
                    job_id = str(answer.json()["jobId"])
                    caller.acknowledged[job_id] = params
                    return job_id
                assert answer.status_code in (429, 500, 502, 503), answer.text
            self.retries += 1
            await asyncio.sleep(0.5)

    async def _end_of(self, caller: Caller, job_id: str, pause: float) -> dict[str, Any]:
        """Look until the job has ended; one that does not in ten minutes is stuck, and shows in the counters."""
        async with asyncio.timeout(600):
            while True:
                await asyncio.sleep(pause)
                with contextlib.suppress(TimeoutError):
                    detail = await caller.job(job_id)
                    if detail is not None and detail["status"] in ("success", "failed"):
                        return detail
                pause = max(pause, 0.5)

    async def _kill(self, chance: random.Random, agents: list[FleetAgent]) -> None:
        """Kill somebody each time that so many more jobs were acknowledged, while enough are under way."""
        victims = [*PARTS, *(f"agent-{number}" for number in range(len(agents)))]
        weights = [*PARTS.values(), *(AGENT_WEIGHT for _ in agents)]
        restarts: set[asyncio.Task[None]] = set()
        while (total := self.killed.total()) < self.plan.kills:
            await asyncio.sleep(0.2)
            due = total * self.plan.jobs / self.plan.kills
            acknowledged = sum(len(caller.acknowledged) for caller in self.callers)
            if acknowledged < due or self._in_flight() < IN_FLIGHT:
                continue
            victim = chance.choices(victims, weights)[0]
            if victim in PARTS:
                if self.site.pid(victim) is not None:
                    with contextlib.suppress(ProcessLookupError):
                        self.site.kill_now(victim)
                        self.killed[victim] += 1
                continue
            agent = agents[int(victim.removeprefix("agent-"))]
            if agent.process is not None and agent.process.returncode is None:
                await agent.kill()
                self.killed["agents"] += 1
                restart = asyncio.create_task(_restart(agent, chance.uniform(0, 2)))
                restarts.add(restart)
                restart.add_done_callback(restarts.discard)
        await asyncio.gather(*restarts)

    def _in_flight(self) -> int:
        return len(self.ledger.starts().keys() - self.ledger.ends().keys() - self.finished)

    async def _revive(self, agents: list[FleetAgent]) -> None:
        for agent in agents:
            if agent.process is not None and agent.process.returncode is not None:
                await agent.launch()
        await self.site.ready()

    async def _settle(self) -> Counters:
        found = [await caller.settle(self.ledger, may_crash=True, seconds=300) for caller in self.callers]
        names = [one.name for one in fields(Counters) if one.name != "details"]
        sums = {name: sum(getattr(one, name) for one in found) for name in names}
        return Counters(**sums, details=[line for one in found for line in one.details])

    async def _tell(self, began: float) -> None:
        """Print how far it is, every half minute."""
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            seconds = time.monotonic() - began
            print(
                f"{seconds:5.0f} s: {self.ended} of {self.plan.jobs} jobs ended ({self.ended / seconds:.1f}/s), "
                f"{self._in_flight()} in flight, {self.killed.total()} of {self.plan.kills} kills, "
                f"{self.retries} calls repeated; {dict(self.reasons)}",
                flush=True,
            )

    def report(self) -> str:
        """Return the run as a table for docs/reliability.md."""
        killed = ", ".join(f"{name} {times}" for name, times in sorted(self.killed.items()))
        ends = ", ".join(f"{name} {times}" for name, times in sorted(self.reasons.items()))
        names = {"lost": "LOST", "doubled": "DUP", "lines_lost": "LL", "lines_doubled": "LD", "wrong": "WR"}
        names["stuck"] = "STUCK"
        counted = ", ".join(f"{short} = {getattr(self.counters, name)}" for name, short in names.items())
        lines = sum(int(params["lines"]) for caller in self.callers for params in caller.acknowledged.values())
        rows = {
            "seed": f"`DEPLITE_SEED={self.plan.seed}`",
            "jobs acknowledged": sum(len(caller.acknowledged) for caller in self.callers),
            "of": f"{len(self.callers)} callers, {self.plan.workers} runs at a time, {self.plan.agents} agents",
            "log lines at stake": lines,
            "kill -9": f"{self.killed.total()} ({killed}), each with at least {IN_FLIGHT} jobs in flight",
            "calls repeated by callers": self.retries,
            "how jobs ended": ends,
            "counters": f"**{counted}**",
            "time": f"{self.seconds:.0f} s at work ({self.ended / self.seconds:.1f} jobs/s), "
            f"{self.settled:.0f} s comparing",
        }
        return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def _job(chance: random.Random) -> dict[str, Any]:
    """Return a short job, most of whose time is sleep: the machine is to be busy with ours."""
    code = chance.choice([0] * 9 + [3])
    return {"lines": chance.randint(2, 6), "pause": f"{chance.uniform(0.5, 2.5):.2f}", "code": code}


async def _restart(agent: FleetAgent, seconds: float) -> None:
    await asyncio.sleep(seconds)
    await agent.launch()


async def _unless_failed(background: list["asyncio.Task[None]"]) -> None:
    """Fail as soon as a task that goes on beside the work does."""
    done, _ = await asyncio.wait(background[1:])
    for task in done:
        task.result()


def save(report: str, folder: Path = Path("build")) -> Path:
    """Write the report where `make clean` finds it."""
    folder.mkdir(exist_ok=True)
    path = folder / "soak.md"
    path.write_text(report + "\n")
    return path
