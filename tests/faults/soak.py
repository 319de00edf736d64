"""The soak: many jobs of several callers and agents, while every part is killed again and again, in one seeded run."""

import asyncio
import contextlib
import itertools
import os
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import httpx

from tests.faults.caller import Caller
from tests.faults.credentials import Credentials
from tests.faults.fleet import Fleet
from tests.faults.killing import Killing
from tests.faults.ledger import Counters, Ledger
from tests.faults.site import Site

PER_MINUTE = 100_000
"""The limit of callers that have one: they are counted, and never refused for it."""
REPORT_SECONDS = 30.0
STUCK_SECONDS = 600.0
_CALL_SECONDS = httpx.Timeout(70.0, connect=5.0)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How large a soak is: DEPLITE_SOAK_JOBS, _KILLS, _AGENTS and _WORKERS (callers at work at a time)."""

    jobs: int = 10_000
    kills: int = 500
    agents: int = 4
    workers: int = 96
    seed: int

    @classmethod
    def of_environment(cls, seed: int) -> "Plan":
        """Return the plan that the environment asks for; the whole soak unless it says otherwise."""
        names = [one.name for one in fields(cls) if one.name != "seed"]
        asked = {name: os.environ.get(f"DEPLITE_SOAK_{name.upper()}") for name in names}
        return cls(seed=seed, **{name: int(size) for name, size in asked.items() if size})


@dataclass(kw_only=True)
class Soak:
    """One run of a plan."""

    plan: Plan
    site: Site
    fleet: Fleet
    ledger: Ledger
    callers: list[Caller] = field(default_factory=list)
    killing: Killing = field(init=False)
    credentials: Credentials = field(init=False)
    reasons: Counter[str] = field(default_factory=Counter)
    finished: set[str] = field(default_factory=set)
    """Jobs that the server says have ended."""
    retries: Counter[str] = field(default_factory=Counter)
    """Calls that were repeated, by what came of the one before."""
    unknown: int = 0
    """Times that an acknowledged job was said not to exist."""
    seconds: float = 0.0
    settled: float = 0.0
    counters: Counters = field(default_factory=Counters)

    @property
    def ended(self) -> int:
        """How many jobs have ended."""
        return sum(self.reasons.values())

    @property
    def acknowledged(self) -> int:
        """How many jobs the callers got a 2xx for."""
        return sum(len(caller.acknowledged) for caller in self.callers)

    @property
    def in_flight(self) -> int:
        """How many jobs were started and have not ended."""
        return len(self.ledger.starts().keys() - self.ledger.ends().keys() - self.finished)

    async def run(self) -> None:
        """Run every job, kill as planned, and compare both ends."""
        chance = random.Random(self.plan.seed)
        await self._prepare(chance)
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            beside = [group.create_task(one) for one in (self._tell(began), self.credentials.run())]
            async with asyncio.TaskGroup() as work:
                work.create_task(self.killing.run())
                self._set_to_work(work, chance)
            for task in beside:
                task.cancel()
        self.seconds = time.monotonic() - began
        await self._revive()
        await self.credentials.look_back()
        self.counters = await self._settle()
        self.settled = time.monotonic() - began - self.seconds

    async def _prepare(self, chance: random.Random) -> None:
        agents = [await self.fleet.add() for _ in range(self.plan.agents)]
        for number, agent in enumerate(agents):
            # Half of the callers wait for the end in the call itself, half look for it; half have a limit.
            for mode in ("async", "sync"):
                per_minute = PER_MINUTE if number % 2 else None
                caller = await Caller.for_agent(self.site, agent, per_minute, responseMode=mode)
                caller.http.timeout = _CALL_SECONDS
                self.callers.append(caller)
        self.credentials = await Credentials.beside(self.site, agents[0], random.Random(chance.random()))
        self.killing = Killing(
            site=self.site,
            agents=agents,
            kills=self.plan.kills,
            jobs=self.plan.jobs,
            acknowledged=lambda: self.acknowledged,
            in_flight=lambda: self.in_flight,
            chance=random.Random(chance.random()),
        )

    def _set_to_work(self, group: asyncio.TaskGroup, chance: random.Random) -> None:
        """Give every worker a caller and a way in: half call at the common address, half at each replica's own door."""
        ways = [(caller, self._doors(caller, number)) for number, caller in enumerate(self.callers)]
        jobs = self._jobs(random.Random(chance.random()))
        for number in range(self.plan.workers):
            caller, doors = ways[number % len(ways)]
            turn = number // len(ways)
            mine = [*doors[turn % len(doors) :], *doors[: turn % len(doors)]]
            group.create_task(self._work(caller, mine, jobs, random.Random(chance.random()), f"w{number}"))

    def _doors(self, caller: Caller, number: int) -> list[Caller]:
        """Return a caller as it knocks, or once for each own door, where it is one of those who know them."""
        if number.bit_count() % 2 == 0 or len(self.site.doors) == 1:  # not always the same ones of sync and limited
            return [caller]
        there = [caller.at(door, _CALL_SECONDS) for door in self.site.doors]
        self.fleet.agents[0].clients += [one.http for one in there]
        return there

    def _jobs(self, chance: random.Random) -> Iterator[dict[str, Any]]:
        """Yield jobs until there were enough of them, and of kills."""
        for number in itertools.count():
            if number >= self.plan.jobs and self.killing.over:
                return
            yield _job(chance)

    async def _work(
        self, caller: Caller, doors: Sequence[Caller], jobs: Iterator[dict[str, Any]], chance: random.Random, name: str
    ) -> None:
        """Fire one job after the other, each once the one before has ended."""
        sync = self.callers.index(caller) % 2 == 1
        for number, params in enumerate(jobs):
            job_id = await self._fire(doors, f"{name}-{number}", params)
            detail = await self._end_of(doors, job_id, 0.0 if sync else chance.uniform(0.5, 1.5))
            self.finished.add(job_id)
            self.reasons["success" if detail["status"] == "success" else detail["reason"]] += 1

    async def _fire(self, doors: Sequence[Caller], key: str, params: dict[str, Any]) -> str:
        """Call with one key until there is a 2xx, at the next door each time."""
        body = {"ref": "main", "params": params}
        for caller in itertools.cycle(doors):
            path, headers = f"/triggers/{caller.trigger}/run", {"Idempotency-Key": key}
            try:
                answer = await caller.http.post(path, json=body, headers=headers)
            except httpx.TransportError:
                self.retries["no answer"] += 1
            else:
                if answer.status_code in (200, 202):
                    job_id = str(answer.json()["jobId"])
                    caller.acknowledged[job_id] = params
                    return job_id
                assert answer.status_code == 503, f"{answer.status_code} {answer.text}"
                assert "Retry-After" in answer.headers, answer.text
                self.retries["503"] += 1
            await asyncio.sleep(0.5)
        raise AssertionError("unreachable")

    async def _end_of(self, doors: Sequence[Caller], job_id: str, pause: float) -> dict[str, Any]:
        """Look until the job has ended; one that does not in ten minutes is stuck, and shows in the counters."""
        deadline = time.monotonic() + STUCK_SECONDS
        for caller in itertools.cycle(doors):
            await asyncio.sleep(pause)
            with contextlib.suppress(TimeoutError):
                detail = await caller.job(job_id)
                self.unknown += detail is None
                if detail is not None and detail["status"] in ("success", "failed"):
                    return detail
            if time.monotonic() > deadline:
                break
            pause = max(pause, 0.5)
        return {"status": "failed", "reason": "(not in time)"}

    async def _revive(self) -> None:
        for agent in self.killing.agents:
            if not agent.running:
                await agent.launch()
        await self.site.ready()

    async def _settle(self) -> Counters:
        callers = [*self.callers, self.credentials.caller]
        found = [await caller.settle(self.ledger, may_crash=True, seconds=300) for caller in callers]
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
                f"{self.in_flight} in flight, {self.killing.done.total()} of {self.plan.kills} kills, "
                f"calls repeated: {dict(self.retries)}; {dict(self.reasons)}; beside: {dict(self.credentials.done)} "
                f"{self.credentials.wrong}; {self.unknown} times unknown",
                flush=True,
            )


def _job(chance: random.Random) -> dict[str, Any]:
    """Return a short job, most of whose time is sleep: the machine is to be busy with ours."""
    code = chance.choice([0] * 9 + [3])
    return {"lines": chance.randint(2, 6), "pause": f"{chance.uniform(0.5, 2.5):.2f}", "code": code}
