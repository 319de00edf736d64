"""What is counted of answers that no endpoint gives, and of those whose time depends on others."""

import asyncio

import httpx
from starlette.types import Receive, Scope, Send

from deplite_apiserver.audit.entry import entry_in
from deplite_apiserver.edge.failures import answer
from deplite_apiserver.edge.limits import MAX_HEADER_BYTES, HeadMiddleware
from deplite_apiserver.edge.requestid import RequestIdMiddleware
from deplite_apiserver.metrics.metrics import Metrics
from deplite_apiserver.metrics.middleware import MetricsMiddleware

ROUTELESS = {"route": "none", "method": "GET"}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    match scope["path"]:
        case "/breaks":
            raise RuntimeError
        case "/hangs":
            await asyncio.Event().wait()
        case "/waits":
            entry_in(scope).waited = True
    await answer(200, "fine", "Fine.")(scope, receive, send)


def client(metrics: Metrics) -> httpx.AsyncClient:
    served = MetricsMiddleware(RequestIdMiddleware(HeadMiddleware(app)), metrics)
    return httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://deplite")


def refused(metrics: Metrics, code: str) -> float | None:
    return metrics.registry.get_sample_value("deplite_http_refusals_total", {"code": code})


async def test_a_head_that_is_refused_and_what_nobody_foresaw_are_counted_by_their_codes() -> None:
    metrics = Metrics()
    async with client(metrics) as http:
        long = await http.get("/", headers={"X-Long": "x" * MAX_HEADER_BYTES})
        twice = await http.get("/", headers={"Content-Length": "0", "Transfer-Encoding": "chunked"})
        broken = await http.get("/breaks")
    assert [one.status_code for one in (long, twice, broken)] == [431, 400, 500]
    assert [refused(metrics, code) for code in ("headers_too_large", "bad_request", "internal_error")] == [1, 1, 1]


async def test_an_answer_that_waited_for_a_job_is_counted_and_its_time_is_not() -> None:
    metrics = Metrics()
    async with client(metrics) as http:
        assert [(await http.get(path)).status_code for path in ("/", "/waits", "/")] == [200] * 3
    value = metrics.registry.get_sample_value
    assert value("deplite_http_requests_total", ROUTELESS | {"status": "2xx"}) == 3
    assert value("deplite_http_request_duration_seconds_count", ROUTELESS) == 2


async def test_a_request_that_is_given_up_is_not_counted() -> None:
    metrics = Metrics()
    async with client(metrics) as http:
        asking = asyncio.create_task(http.get("/hangs"))
        await asyncio.sleep(0.05)
        asking.cancel()
        await asyncio.wait([asking])
        assert (await http.get("/")).status_code == 200
    assert metrics.registry.get_sample_value("deplite_http_requests_total", ROUTELESS | {"status": "2xx"}) == 1
