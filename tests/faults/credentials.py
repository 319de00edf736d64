"""Rows F36 to F38 beside a soak: tokens are revoked, limits stormed, codes raced, at each apiserver's own door.

What must never be is kept as a sentence in `wrong`, and fails the soak at its end: it is not to end early.
"""

import asyncio
import contextlib
import itertools
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.faults.caller import Caller
from tests.faults.fleet import FleetAgent
from tests.faults.knocking import REFUSED
from tests.faults.site import Site
from tests.published.agent import PublishedAgent

LIMIT = 10
"""Runs a minute, of a token that is stormed by so many calls, some at a time:"""
CALLS = 30
AT_ONCE = 10
MACHINES = 8
"""That race for one code."""
PAUSE = 5.0, 20.0
"""Seconds between two of the same kind, at random."""
AFTERWARDS = 3
"""Knocks at each door that must be refused once it has refused."""
PATIENCE = 300.0
"""Seconds for one of them, while everything is killed."""
JOB = {"lines": 0, "pause": "0"}


@dataclass(kw_only=True)
class Credentials:
    """All three, each again and again until it is told to end."""

    caller: Caller
    """What it is told by a 2xx is settled with all others."""
    doors: Sequence[httpx.AsyncClient]
    chance: random.Random
    done: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    late: float = 0.0
    """Seconds after a token was revoked, of the last run that was accepted with it."""
    most: int = 0
    """Runs accepted of a limited token, at most, in the storms that one minute saw begin and end."""
    _revoked: list[str] = field(default_factory=list)
    _raced: list[str] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    @classmethod
    async def beside(cls, site: Site, agent: FleetAgent, chance: random.Random) -> "Credentials":
        """Make them for the ledger workflow of an agent."""
        caller = await Caller.for_agent(site, agent)
        doors = [httpx.AsyncClient(base_url=door, timeout=20, trust_env=False) for door in site.doors]
        agent.clients += doors
        return cls(caller=caller, doors=doors, chance=chance)

    async def run(self) -> None:
        """Go on until cancelled."""
        rounds = {"revoked": self.revoke, "stormed": self.storm, "raced": self.race}
        async with asyncio.TaskGroup() as group:
            for kind, once in rounds.items():
                group.create_task(self._again_and_again(kind, once))

    async def _again_and_again(self, kind: str, once: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                async with asyncio.timeout(PATIENCE):
                    await once()
                self.done[kind] += 1
            except TimeoutError:
                self.done[f"{kind}, broken off after {PATIENCE:.0f} s"] += 1
            await asyncio.sleep(self.chance.uniform(*PAUSE))

    async def revoke(self) -> None:
        """F36: a token that both doors take is revoked, refused by both soon, and never taken again."""
        token_id, token = await self._token()
        for door in range(len(self.doors)):
            await self._until(door, token, {202})
        await self._owner("DELETE", f"/api-tokens/{token_id}", {200, 204, 404})
        revoked_at = time.monotonic()
        for door in range(len(self.doors)):
            accepted_at = await self._until(door, token, REFUSED)
            self.late = max(self.late, accepted_at - revoked_at)
            for _ in range(AFTERWARDS):
                await self._refused(door, token, "after it had refused it")
        self._revoked.append(token)

    async def storm(self) -> None:
        """F37: many calls at all doors, each repeated until it is accepted or over the limit: ten a minute at most."""
        _, token = await self._token(rateLimitPerMinute=LIMIT)
        room = asyncio.Semaphore(AT_ONCE)
        number = next(self._numbers)

        async def knock(call: int) -> str | None:
            async with room:
                for turn in itertools.count(call):
                    answer = await self._run(turn % len(self.doors), token, f"storm-{number}-{call}")
                    if answer is not None and answer.status_code in (202, 429):
                        return str(answer.json()["jobId"]) if answer.status_code == 202 else None
                    await asyncio.sleep(0.5)
            raise AssertionError("unreachable")

        began = int(time.time() // 60)
        found = await asyncio.gather(*(knock(call) for call in range(CALLS)))
        minutes = int(time.time() // 60) - began + 1
        accepted = len(set(found) - {None})
        if minutes == 1:
            self.most = max(self.most, accepted)
        if accepted > LIMIT * minutes:
            self.wrong.append(f"a limit of {LIMIT} a minute let {accepted} through in {minutes} minutes")

    async def race(self) -> None:
        """F38: one code, several machines at all doors, each with patience; one gets in."""
        name = f"race-{next(self._numbers)}"
        made = await self._owner("POST", "/agents/enroll-tokens", {200, 201}, {"label": name})
        machines = [
            PublishedAgent(str(self.doors[number % len(self.doors)].base_url).rstrip("/")) for number in range(MACHINES)
        ]
        try:
            answers = await asyncio.gather(*(self._enrol(machine, made["token"], name) for machine in machines))
        finally:
            for machine in machines:
                await machine.close()
        statuses = Counter(answers)
        if statuses[200] + statuses[201] != 1:
            self.wrong.append(f"one code and {MACHINES} machines: {dict(statuses)}")
        self._raced.append(name)

    async def look_back(self) -> None:
        """See at the end that every door refuses every token that was revoked, and each race brought one agent."""
        for token in self._revoked:
            for door in range(len(self.doors)):
                await self._refused(door, token, "at the end")
        agents = Counter(await self._agent_names())
        self.wrong += [f"{name} brought {agents[name]} agents" for name in self._raced if agents[name] != 1]

    async def _agent_names(self) -> list[str]:
        """Return the names of all agents, page by page."""
        site, names = self.caller.site, list[str]()
        path: str | None = f"/orgs/{site.organization}/agents?limit=200"
        while path is not None:
            answer = await self.caller.read(path)
            assert answer.status_code == 200, answer.text
            names += [one["name"] for one in answer.json()]
            path = answer.links.get("next", {}).get("url")
        return names

    def report(self) -> dict[str, str]:
        """Return lines for the table of the soak."""
        lines = {
            "tokens revoked meanwhile": f"{self.done['revoked']}, no run accepted at a door after its first refusal; "
            f"the last one accepted {self.late:.2f} s after the answer to DELETE",
            "limited tokens stormed": f"{self.done['stormed']}, {CALLS} calls each at a limit of {LIMIT} a minute; "
            f"in those within one minute {self.most} at most were accepted",
            "codes raced": f"{self.done['raced']}, by {MACHINES} machines each; one got in each time, as one agent",
        }
        broken = {kind: f"{times} times" for kind, times in self.done.items() if "broken" in kind}
        return lines | broken | ({"WRONG": "; ".join(self.wrong)} if self.wrong else {})

    async def _token(self, **limits: int) -> tuple[str, str]:
        body = {"name": "beside", "scopeType": "trigger", "triggerIds": [self.caller.trigger], **limits}
        made = await self._owner("POST", "/api-tokens", {200, 201}, body)
        return made["id"], made["plainToken"]

    async def _owner(self, method: str, path: str, statuses: set[int], body: Any = None) -> Any:
        site = self.caller.site
        answer = await self.caller.ask(method, f"/orgs/{site.organization}{path}", body=body, jwt=site.jwt)
        assert answer.status_code in statuses, answer.text
        return answer.json() if answer.content else None

    async def _run(self, door: int, token: str, key: str | None = None) -> httpx.Response | None:
        """Fire once; return the answer, None where there was none."""
        headers = {"Authorization": f"Bearer {token}"} | ({"Idempotency-Key": key} if key else {})
        path, body = f"/triggers/{self.caller.trigger}/run", {"ref": "main", "params": JOB}
        with contextlib.suppress(httpx.TransportError):
            answer = await self.doors[door].post(path, json=body, headers=headers)
            if answer.status_code == 202:
                self.caller.acknowledged[str(answer.json()["jobId"])] = JOB
            return answer
        return None

    async def _until(self, door: int, token: str, statuses: set[int]) -> float:
        """Fire until the door gives such an answer; return when the last run that it accepted was asked for."""
        accepted_at = 0.0
        while True:
            asked_at = time.monotonic()
            answer = await self._run(door, token)
            if answer is not None and answer.status_code == 202:
                accepted_at = asked_at
            if answer is not None and answer.status_code in statuses:
                return accepted_at
            await asyncio.sleep(0.1)

    async def _refused(self, door: int, token: str, when: str) -> None:
        answer = await self._run(door, token)
        if answer is not None and answer.status_code not in REFUSED | {503}:
            self.wrong.append(f"a revoked token got {answer.status_code} {when}")

    async def _enrol(self, machine: PublishedAgent, code: str, name: str) -> int:
        """Try at one door after the other until one says yes or no."""
        doors = [str(door.base_url).rstrip("/") for door in self.doors]
        while True:
            with contextlib.suppress(httpx.TransportError):
                answer = await machine.enroll(code, name=name)
                if answer.status_code != 503:
                    return answer.status_code
            machine.base = doors[(doors.index(machine.base) + 1) % len(doors)]
            await asyncio.sleep(0.5)
