"""The object store is away, lies or breaks off: runs go on, nothing is promised that is not kept, no line is lost."""

import asyncio

import pytest
from aiohttp import web

from tests.faults.caller import Caller
from tests.faults.fleet import Fleet
from tests.faults.httpproxy import Answer, Exchange
from tests.faults.ledger import Counters, Ledger
from tests.faults.stage import Stage
from tests.kube.serving import until

_ERROR = b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>CODE</Code><Message>no</Message></Error>'
_XML = {"Content-Type": "application/xml"}


async def _stored_and_500(exchange: Exchange) -> web.StreamResponse | None:
    await exchange.ask()
    return await exchange.say(Answer(status=500, body=_ERROR.replace(b"CODE", b"InternalError"), headers=_XML))


async def _slow_down(exchange: Exchange) -> web.StreamResponse | None:
    return await exchange.say(Answer(status=503, body=_ERROR.replace(b"CODE", b"SlowDown"), headers=_XML))


async def _error_with_200(exchange: Exchange) -> web.StreamResponse | None:
    return await exchange.say(Answer(status=200, body=_ERROR.replace(b"CODE", b"InternalError"), headers=_XML))


async def _broken_off(exchange: Exchange) -> web.StreamResponse | None:
    if exchange.method != "GET":
        return None
    return await exchange.say_half(await exchange.ask())


FAULTS = {
    "stores-and-answers-500": _stored_and_500,
    "asks-to-slow-down": _slow_down,
    "error-with-status-200": _error_with_200,
    "breaks-off": _broken_off,
}


async def _unreadable(caller: Caller, job: str) -> None:
    """Wait until a log cannot be read, and the caller is told why."""
    headers = {"Authorization": f"Bearer {caller.site.jwt}"}

    async def code() -> str | None:
        answer = await caller.http.get(f"/jobs/{job}/logs", headers=headers, timeout=60)
        return str(answer.json()["code"]) if answer.status_code == 503 else None

    await until(code, "storage_unavailable")


async def _at_work(stage: Stage, crew: Fleet, ledger: Ledger) -> tuple[Caller, str]:
    """Have jobs run, the first lines of one of which are stored; return its id, too."""
    caller = await Caller.for_agent(stage, await crew.add())
    ledger.open("print")
    job, *_ = await caller.run_many(22, lines=120, pause="0.1", gated=True)
    await caller.in_flight(ledger, 22)
    async with asyncio.timeout(60):
        while not await caller.raw(job):
            await asyncio.sleep(0.1)
    return caller, job


async def test_f20_an_object_store_that_fails(stage: Stage, crew: Fleet, ledger: Ledger) -> None:
    caller, job = await _at_work(stage, crew, ledger)
    for fault in FAULTS.values():
        await caller.in_flight(ledger, 20)
        stage.s3.fault = fault
        await _unreadable(caller, job)
        await caller.run_many(2, lines=3)
        await asyncio.sleep(1)
    await caller.in_flight(ledger, 20)
    await stage.s3.refuse()
    await _unreadable(caller, job)
    await caller.run_many(2, lines=3)
    ledger.open("end")
    stage.heal()
    await stage.s3.accept()
    assert await caller.settle(ledger) == Counters()
    await caller.close()


@pytest.mark.full
@pytest.mark.parametrize("fault", FAULTS)
async def test_f20_runs_end_while_the_object_store_fails(fault: str, stage: Stage, crew: Fleet, ledger: Ledger) -> None:
    caller, job = await _at_work(stage, crew, ledger)
    stage.s3.fault = FAULTS[fault]
    await _unreadable(caller, job)
    for one in await caller.run_many(5, lines=3):
        await caller.until(one, "success")
    ledger.open("end")
    stage.heal()
    assert await caller.settle(ledger) == Counters()
    await caller.close()


@pytest.mark.full
@pytest.mark.timeout(1200)
async def test_f20_an_object_store_that_is_refused_for_ten_minutes(stage: Stage, crew: Fleet, ledger: Ledger) -> None:
    caller, job = await _at_work(stage, crew, ledger)
    await stage.s3.refuse()
    await _unreadable(caller, job)
    for one in await caller.run_many(5, lines=3):
        await caller.until(one, "success")
    ledger.open("end")
    await asyncio.sleep(600)
    await stage.s3.accept()
    assert await caller.settle(ledger, seconds=180) == Counters()
    await caller.close()
