"""Both apiservers are restarted one after the other, as a new version is rolled out, while callers and agents go on."""

import asyncio
import json
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from deplite_apiserver.dispatch.balance import FEW, SHARE
from deplite_apiserver.shared.others import COUNTED_SECONDS
from tests.faults.caller import Caller
from tests.faults.fleet import Fleet
from tests.faults.ledger import Counters, Ledger
from tests.faults.pair import REPLICAS, Pair
from tests.faults.patient import Patient
from tests.kube.serving import until
from tests.published.agent import PublishedAgent

_FULL = pytest.mark.full, pytest.mark.timeout(1800)
PAUSE = 0.1
"""Seconds between two runs of one caller."""
JOINED = "takes connections at"
"""What a replica logs once it listens at the address of both."""
TRIES = 4
"""Of a run that failed, where each is told by a 503 when to come again: a busy machine may stand still that long."""
PATIENCE = 0.5
"""Seconds between two tries of one run, unless the server says how many."""


@pytest.mark.parametrize(
    ("streams", "rounds"),
    [
        pytest.param(24, 1, marks=pytest.mark.timeout(900), id="once"),
        pytest.param(200, 3, marks=_FULL, id="three-times"),
    ],
)
async def test_a_rolling_restart_under_load(
    streams: int, rounds: int, pair: Pair, pack: Fleet, ledger: Ledger, seed: int
) -> None:
    """Callers who come again as they are told get through; nothing runs twice or never; streams are spread again."""
    ours = await Caller.for_agent(pair, await pack.add())
    code = (await pair.ask("POST", "/agents/enroll-tokens", {"label": "rolling", "uses": streams}))["token"]
    flock = [Patient(PublishedAgent(pair.url)) for _ in range(streams)]
    for one in flock:
        await one.begin(code)
    theirs = [await Caller.for_id(pair, one.agent.agent_id) for one in random.Random(seed).sample(flock, 5)]
    firing = [Firing(caller=caller) for caller in (ours, *theirs)]
    calls = [asyncio.create_task(one.fire(lines=3, pause="0.05")) for one in firing]
    async with looking_at(pair) as load:
        for part in REPLICAS * rounds:
            await restarted(pair, part)
        async with asyncio.timeout(300):
            while not even(found := await load.held(), streams):
                await asyncio.sleep(0.5)
    print(f"streams at the replicas: {found}")
    for each in firing:
        each.stopped = True
    await asyncio.gather(*calls)
    for each in firing:
        print(f"{len(each.caller.acknowledged)} runs, {len(each.failed)} repeated: {sorted(set(each.failed))}")
        assert each.twice == []
    assert await ours.settle(ledger) == Counters()
    assert len(ledger.starts()) == len(ours.acknowledged) >= 20
    jobs = {job for caller in theirs for job in caller.acknowledged}

    async def missing() -> set[str]:
        return jobs - {job for one in flock for job in one.done}

    await until(missing, set(), seconds=120)
    for caller in theirs:
        for job in caller.acknowledged:
            assert (await caller.until(job, "success"))["exitCode"] == 0
    assert any("are to move" in pair.log(part) for part in REPLICAS)
    for one in flock:
        await one.close()
    for caller in (ours, *theirs):
        await caller.close()


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A call that failed."""

    words: str
    retry_after: float = PATIENCE
    """Seconds to wait before the next try."""


@dataclass(kw_only=True)
class Firing:
    """A caller who tries each run once more, and so often only where it is told when."""

    caller: Caller
    failed: list[str] = field(default_factory=list)
    """Why a run had to be tried once more."""
    twice: list[str] = field(default_factory=list)
    """Why the second try failed, too, or by 503s the last one."""
    stopped: bool = False

    async def fire(self, **params: object) -> None:
        """Run again and again, until stopped."""
        number = 0
        while not self.stopped:
            number += 1
            body: dict[str, Any] = {"ref": "main", "params": params}
            if (why := await self._try(f"rolling-{number}", body)) is not None:
                self.failed.append(why.words)
                again: Refused | None = why
                for _ in range(TRIES):
                    await asyncio.sleep(again.retry_after)
                    again = await self._try(f"rolling-{number}", body)
                    if again is None or not again.words.startswith("503"):
                        break
                if again is not None:
                    self.twice.append(f"{why.words}, then {again.words}")
            await asyncio.sleep(PAUSE)

    async def _try(self, key: str, body: dict[str, Any]) -> "Refused | None":
        """Call once; returns why that failed."""
        path, headers = f"/triggers/{self.caller.trigger}/run", {"Idempotency-Key": key}
        try:
            answer = await self.caller.http.post(path, json=body, headers=headers, timeout=60)
        except httpx.TransportError as error:
            return Refused(words=type(error).__name__)
        if answer.status_code != 202:
            words = f"{answer.status_code} {answer.json().get('message')}"
            return Refused(words=words, retry_after=float(answer.headers.get("Retry-After", PATIENCE)))
        self.caller.acknowledged[answer.json()["jobId"]] = body["params"]
        return None


@dataclass(frozen=True, kw_only=True)
class Load:
    """How many streams the replicas say that they hold."""

    redis: Redis

    async def held(self) -> list[int]:
        """Return it of each replica that has just said so."""
        found = []
        [key] = await self.redis.keys("deplite:*:presence")
        now, _ = await self.redis.time()
        for said in (await self.redis.hgetall(key)).values():
            published, _, blob = str(said).partition(" ")
            if now - float(published) < COUNTED_SECONDS:
                found.append(sum(stream_age is not None for *_, stream_age in json.loads(blob)["known"]))
        return found


@asynccontextmanager
async def looking_at(pair: Pair) -> AsyncIterator[Load]:
    """Look at what the replicas tell each other."""
    state = json.loads((pair.data / "state.json").read_text())
    address = next(one["address"] for one in state["parts"] if one["name"] == "valkey")
    password = (pair.data / "valkey" / "password").read_text()
    redis = Redis.from_url(address, password=password, decode_responses=True)
    try:
        yield Load(redis=redis)
    finally:
        await redis.aclose()


def even(held: list[int], streams: int) -> bool:
    """Whether no replica holds more than the rule allows it."""
    average = sum(held) / len(REPLICAS)
    return len(held) == len(REPLICAS) and sum(held) >= streams and max(held) <= average + max(FEW, SHARE * average)


async def restarted(pair: Pair, part: str) -> None:
    """Tell a replica to stop, and wait until its successor takes requests, at the address of both as well."""
    joined = pair.log(part).count(JOINED)
    before = pair.signal(part, signal.SIGTERM)
    async with asyncio.timeout(120):
        while pair.pid(part) in (before, None) or pair.log(part).count(JOINED) == joined:
            await asyncio.sleep(0.05)
    await pair.ready()
