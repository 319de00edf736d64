"""F17 and G3: whatever a server that is away answers, and for how long, everything arrives, and nobody is hammered."""

import asyncio
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from deplite_agent.jobs.journal import Journal
from deplite_agent.jobs.log import JobLog
from deplite_agent.jobs.masking import Masker
from deplite_agent.jobs.result import Result
from deplite_agent.jobs.shipping import Shipment
from tests.unit.agent.builders import order
from tests.unit.agent.server import Call, Server
from tests.unit.agent.virtualtime import run_virtually


def now() -> float:
    return asyncio.get_running_loop().time()


def ended(jobs: Path) -> Journal:
    journal = Journal.create(jobs, order(), "i1")
    journal.claimed()
    journal.starting(5)
    spool = JobLog(journal.log_path, Masker(), lambda: None)
    spool.write_raw("s", [b"line %d\n" % number for number in range(5)])
    spool.close()
    journal.exited(Result(status="success", exit_code=0))
    return journal


async def outage(jobs: Path, server: Server, seconds: float, answers: list[httpx.Response]) -> list[float]:
    """Ship through an outage; return when each request came, in seconds from its beginning."""
    began, at = now(), []

    def away(_: Call) -> httpx.Response | None:
        at.append(now() - began)
        return answers[len(at) % len(answers)] if at[-1] < seconds else None

    server.script = away
    await Shipment(ended(jobs), server.transport()).run()
    return at


@pytest.mark.parametrize("hours", [1, 24])
def test_f17_everything_arrives_after_the_outage_with_a_request_in_ten_seconds_at_most(
    tmp_path: Path, hours: int
) -> None:
    server = Server()
    answers = [
        httpx.Response(503),
        httpx.Response(429, json={"code": "rate_limited"}),
        httpx.Response(502, text="<html>"),
    ]

    async def work() -> None:
        at = await outage(tmp_path, server, hours * 3600, answers)
        gaps = [later - earlier for earlier, later in pairwise(at) if earlier > 120 and later < hours * 3600]
        assert min(gaps) >= 10
        assert max(gaps) <= 20.5
        assert len({round(gap, 3) for gap in gaps}) > len(gaps) / 2  # a fleet does not come back in step
        assert at[-1] - hours * 3600 < 60

    run_virtually(work())
    assert server.lines() == [f"line {number}\n" for number in range(5)]
    assert server.ends()[-1] == {"status": "success", "exitCode": 0}


def test_f17_the_server_is_left_alone_for_as_long_as_it_asks(tmp_path: Path) -> None:
    server = Server()

    async def work() -> None:
        answers = [httpx.Response(429, headers={"Retry-After": "90"}, json={"code": "rate_limited"})]
        at = await outage(tmp_path, server, 3600, answers)
        assert min(later - earlier for earlier, later in pairwise(at) if later < 3600) >= 90

    run_virtually(work())
    assert len(server.lines()) == 5
