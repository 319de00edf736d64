"""A server that is away for an hour: nothing is given up, nobody hammers, and then everything is delivered.

The agent's own desk and transport, in virtual time; what answers is a server that says 503 or 429.
"""

import asyncio
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import httpx

from deplite_agent.jobs.desk import Desk
from deplite_agent.jobs.journal import Journal
from deplite_agent.jobs.log import JobLog
from deplite_agent.jobs.masking import Masker
from deplite_agent.jobs.result import Result
from tests.faults.virtualtime import in_virtual_time
from tests.unit.agent.builders import order, tools
from tests.unit.agent.server import Call, Server, answer

HOUR = 3600.0
PLATEAU = 600.0
"""From here on the waits grow no more."""
ENDED, WAITING = 25, 5
LINES = 40
ASKED = 90.0
"""What some refusals ask for in Retry-After, seconds."""


@dataclass(kw_only=True)
class _Away:
    """Refuses until an hour has passed, and remembers when it was asked for which job."""

    now: Callable[[], float] = lambda: 0.0
    asked: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def __call__(self, call: Call) -> httpx.Response | None:
        number = re.search(r"/j-(\d+)/", call.path)
        assert number is not None
        now = self.now()
        if now > HOUR:
            return answer(409, "job_finished") if int(number[1]) >= ENDED else None
        self.asked[number[1]].append(now)
        refused = answer(503, "unavailable") if int(number[1]) % 2 else answer(429, "rate_limited")
        if _asks(number[1]):
            refused.headers["Retry-After"] = f"{ASKED:.0f}"
        return refused


def _asks(number: str) -> bool:
    """Whether the refusals about a job say when to come again."""
    return int(number) % 4 >= 2


def _journals(jobs: Path) -> None:
    """Make what an agent holds whose server went away: results and logs, and jobs that it could not yet claim."""
    for number in range(ENDED + WAITING):
        journal = Journal.create(jobs, order(job_id=f"j-{number}"), "i1")
        if number < ENDED:
            journal.claimed()
            spool = JobLog(journal.log_path, Masker(), lambda: None)
            spool.write_raw("work", [b"line %d\n" % line for line in range(LINES)])
            spool.close()
            journal.exited(Result(status="failed", reason="exit_code", exit_code=number + 1))
        journal.close()


async def test_f17_an_hour_of_503_and_429(tmp_path: Path) -> None:
    away, server = _Away(), Server()
    server.script = away
    (tmp_path / "jobs").mkdir()
    _journals(tmp_path / "jobs")

    async def hour() -> None:
        away.now = asyncio.get_running_loop().time
        transport = server.transport("i1")
        desk = Desk(tmp_path / "jobs", "i1", tools(tmp_path, transport, slots=ENDED + WAITING))
        desk.recover()
        async with asyncio.timeout(2 * HOUR):
            while len(server.results) < ENDED or len(list((tmp_path / "jobs").iterdir())) > ENDED:
                await asyncio.sleep(60)
        await desk.close()
        await transport.close()

    await in_virtual_time(hour)
    for number in range(ENDED):
        key = (f"j-{number}", "u1234567")
        assert server.results[key]["exitCode"] == number + 1
        assert server.lines(*key) == [f"line {line}\n" for line in range(LINES)]
    assert len(away.asked) == ENDED + WAITING
    waits = {job: [later - at for at, later in pairwise(times) if at > PLATEAU] for job, times in away.asked.items()}
    for job, found in waits.items():
        assert min(found) >= (ASKED if _asks(job) else 10.0), "at most one call in ten seconds, or as asked for"
        assert max(found) <= 120, "and never given up"
        assert _asks(job) or len({round(wait, 3) for wait in found}) > len(found) / 2, "with jitter"
