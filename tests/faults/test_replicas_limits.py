"""One limit for two apiservers: of hundreds of calls at once exactly as many are accepted as may be."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from tests.faults.caller import Caller
from tests.faults.fleet import Fleet
from tests.faults.ledger import Counters, Ledger
from tests.faults.pair import Pair

LIMIT = 10
CALLS = 400
AGAIN = 100
"""Calls with the same token in the next minute."""
_SPARE = 4
"""Rounds that may be done again beside a fifth of all: a single one may meet the end of a minute."""


@pytest.mark.parametrize(
    ("rounds", "again"), [(1, False), pytest.param(100, True, marks=(pytest.mark.full, pytest.mark.timeout(3600)))]
)
async def test_f37_four_hundred_calls_at_both_and_a_limit_of_ten(
    rounds: int, again: bool, pair: Pair, pack: Fleet, ledger: Ledger
) -> None:
    """Many rounds a minute, each with a fresh token; in the next minute each of these may ten times again.

    A round that did not end within its minute, or met a busy machine, proves less, and is done again, a first one with
    half of the calls each time. Whatever the machine: never more than ten are accepted.
    """
    caller = await Caller.for_agent(pair, await pack.add())
    spent: dict[str, int] = {}
    done = repeated = discarded = halved = 0
    async with _doors(pair) as doors:
        while done < rounds or (again and spent):
            minute = await _early_in_a_minute()
            old = next((token for token, then in spent.items() if then < minute), None)
            if old is None and done == rounds:
                await asyncio.sleep(1)
                continue
            token = old or await _fresh(pair, caller.trigger)
            spent.pop(token, None)
            if not await _storm(doors, caller, token, AGAIN if old else max(CALLS >> halved, 4 * LIMIT)):
                discarded += 1
                halved += old is None
                assert discarded <= _SPARE + rounds // 5, "the machine is too busy to prove anything"
                continue
            halved = 0
            if old is None:
                done += 1
                spent |= {token: minute} if again else {}
            else:
                repeated += 1
    print(f"{done} rounds of up to {CALLS} calls, {repeated} of {AGAIN} in the next minute: {LIMIT} accepted in each")
    print(f"{discarded} rounds met the end of a minute, or 503, and were done again")
    assert await caller.settle(ledger) == Counters()
    await caller.close()


async def _early_in_a_minute() -> int:
    """Wait until the present minute lasts for ten seconds more; return its number."""
    if time.time() % 60 > 50:
        await asyncio.sleep(60.1 - time.time() % 60)
    return int(time.time() // 60)


async def _fresh(pair: Pair, trigger: str) -> str:
    """Return a new token that may ten times a minute."""
    body = {"name": "ten", "scopeType": "trigger", "triggerIds": [trigger], "rateLimitPerMinute": LIMIT}
    token: str = (await pair.ask("POST", "/api-tokens", body))["plainToken"]
    return token


@asynccontextmanager
async def _doors(pair: Pair) -> AsyncIterator[Sequence[httpx.AsyncClient]]:
    most = httpx.Limits(max_connections=CALLS // 2, max_keepalive_connections=CALLS // 2)
    one, other = (httpx.AsyncClient(base_url=door, timeout=60, trust_env=False, limits=most) for door in pair.doors)
    async with one, other:
        yield one, other


async def _storm(doors: Sequence[httpx.AsyncClient], caller: Caller, token: str, calls: int) -> bool:
    """Call that often at once, half of it at each replica; return whether that proves that exactly ten may."""
    minute = int(time.time() // 60)
    run: dict[str, Any] = {"ref": "main", "params": {"lines": 0}}
    path, headers = f"/triggers/{caller.trigger}/run", {"Authorization": f"Bearer {token}"}
    answers = await asyncio.gather(*(doors[n % 2].post(path, json=run, headers=headers) for n in range(calls)))
    statuses = Counter(answer.status_code for answer in answers)
    caller.acknowledged |= {answer.json()["jobId"]: run["params"] for answer in answers if answer.status_code == 202}
    if int(time.time() // 60) != minute:
        return False
    assert statuses[202] <= LIMIT
    if 503 in statuses:
        return False
    assert statuses == {202: LIMIT, 429: calls - LIMIT}, statuses
    waits = {answer.json()["retryAfter"] for answer in answers if answer.status_code == 429}
    assert min(waits) >= 1
    assert max(waits) <= 60
    return True
