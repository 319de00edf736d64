"""Runs that are asked for at both replicas, again and again, while something changes: which were accepted, and when."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from tests.faults.caller import Caller
from tests.faults.fleet import Fleet
from tests.faults.ledger import Counters, Ledger

Changed = TypeVar("Changed")

_AT_ONCE = 8
_PARAMS = {"lines": 1, "pause": "0"}
REFUSED = {401, 429}
"""What a bad credential gets; 429: so many of these came from one address that it has to wait."""


@dataclass(frozen=True, kw_only=True)
class Knock:
    """One run that was asked for."""

    door: int
    asked_at: float
    answered_at: float
    """Unix seconds, as `asked_at`: the replicas have the same clock."""
    status: int
    code: str

    @property
    def accepted(self) -> bool:
        return self.status == 202


class Knocking:
    """A caller who knocks at both doors; what is accepted must end well like everything else."""

    def __init__(self, caller: Caller, pack: Fleet) -> None:
        self.caller = caller
        self.there = at_both(caller, pack)
        self.knocks: list[Knock] = []
        self.unheard = 0
        """Answered with 503, and so asked again."""
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def knock(self, door: int, token: str | None = None) -> Knock:
        """Knock once, with another token than the caller's if need be."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        path, run = f"/triggers/{self.caller.trigger}/run", {"ref": "main", "params": _PARAMS}
        async with self._room, asyncio.timeout(60):
            while True:
                asked_at = time.time()
                answer = await self.there[door].http.post(path, json=run, headers=headers)
                if answer.status_code != 503:  # a busy machine's answer, which says nothing
                    break
                self.unheard += 1
                await asyncio.sleep(0.2)
        body = answer.json()
        if answer.status_code == 202:
            self.caller.acknowledged[body["jobId"]] = _PARAMS
        code = body.get("code", "")
        made = Knock(door=door, asked_at=asked_at, answered_at=time.time(), status=answer.status_code, code=code)
        self.knocks.append(made)
        return made

    async def many(self, count: int, token: str | None = None) -> list[Knock]:
        """Knock that often, at either door in turn."""
        return await asyncio.gather(*(self.knock(number % 2, token) for number in range(count)))

    async def amid(self, runs: int, change: Callable[[], Awaitable[Changed]]) -> tuple[float, Changed]:
        """Knock that often, make a change after half of it, and return when its 2xx had come, and what that said."""
        await self.many(runs // 2)
        assert {knock.status for knock in self.knocks} == {202}
        assert len(self.caller.acknowledged) >= 20
        knocking = asyncio.create_task(self.many(runs // 2))
        said = await change()
        changed_at = time.time()
        await knocking
        return changed_at, said

    async def until(self, wanted: Callable[[Knock], bool]) -> None:
        """Knock until both doors say what is wanted."""
        async with asyncio.timeout(60):
            for door in (0, 1):
                while not wanted(await self.knock(door)):
                    await asyncio.sleep(0.02)

    async def settle(self, ledger: Ledger) -> None:
        """See that all that was accepted came out right."""
        print(f"{len(self.knocks)} knocks were answered; 503 to {self.unheard} more")
        assert await self.caller.settle(ledger) == Counters()
        await self.caller.close()

    def late(self, changed_at: float, stale: Callable[[Knock], bool], what: str) -> float:
        """Return for how many seconds after the change there were stale answers, and print it."""
        asked = (knock.asked_at - changed_at for knock in self.knocks if stale(knock))
        late = max(0.0, max(asked, default=0.0))
        print(f"{what}: the last stale answer was to a run that was asked for {late:.3f} s after it")
        return late


def at_both(caller: Caller, pack: Fleet) -> list[Caller]:
    """Return the caller at each replica's own door; closed with the agents."""
    there = [caller.at(door, 60) for door in pack.site.doors]
    pack.agents[0].clients += [one.http for one in there]
    return there


def says(*codes: str) -> Callable[[Knock], bool]:
    """Return whether a knock was refused with one of these codes."""
    return lambda knock: knock.code in codes
