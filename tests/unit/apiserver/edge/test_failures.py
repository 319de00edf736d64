"""The one table from errors to answers, over a small real app."""

import inspect
import logging
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from starlette.responses import StreamingResponse

from deplite.kube import errors as kube
from deplite_apiserver import errors
from deplite_apiserver.edge.failures import STATUS, install_failures
from deplite_apiserver.edge.requestid import RequestIdMiddleware
from deplite_apiserver.storage.objects import StorageUnavailableError

LEAVES = [
    found
    for _, found in inspect.getmembers(errors, inspect.isclass)
    if issubclass(found, errors.ApiError) and found is not errors.ApiError
]
SECRET = "tr-internal deplites.io namespaces"
RAISED: dict[str, tuple[Exception, int, str]] = {
    "unavailable": (kube.UnavailableError(SECRET, status=429, retry_after=7), 503, "unavailable"),
    "forbidden": (kube.ForbiddenError(SECRET, status=403), 503, "unavailable"),
    "quota": (kube.ForbiddenError(f"{SECRET} exceeded quota: q", status=403), 429, "quota_exceeded"),
    "gone": (kube.GoneError(SECRET, status=410), 503, "unavailable"),
    "exists": (kube.AlreadyExistsError(SECRET, status=409), 503, "unavailable"),
    "invalid": (kube.InvalidError(SECRET, status=422), 422, "validation_error"),
    "conflict": (kube.ConflictError(SECRET, status=409), 409, "conflict"),
    "absent": (kube.NotFoundError(SECRET, status=404), 404, "not_found"),
    "storage": (StorageUnavailableError(), 503, "storage_unavailable"),
    "limited": (errors.RateLimitedError(retry_after=42, extra={"scope": "token"}), 429, "rate_limited"),
    "bug": (KeyError(SECRET), 500, "internal_error"),
    "recursion": (RecursionError(SECRET), 500, "internal_error"),
}


@pytest_asyncio.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI(openapi_url=None)
    install_failures(app)
    app.add_middleware(RequestIdMiddleware)

    @app.get("/raise/{what}")
    async def fail(what: str, number: int = 1) -> None:
        raise RAISED[what][0]

    @app.get("/half")
    async def half() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"half"
            raise KeyError(SECRET)

        return StreamingResponse(parts())

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


@pytest.mark.parametrize("what", RAISED)
async def test_an_error_is_answered_in_the_documented_shape(
    http: httpx.AsyncClient, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    _, status, code = RAISED[what]
    answer = await http.get(f"/raise/{what}", headers={"X-Request-Id": "me"})
    body = answer.json()
    assert (answer.status_code, body["statusCode"], body["code"]) == (status, status, code)
    assert SECRET not in answer.text
    assert "detail" not in body
    assert answer.headers["x-request-id"] == "me"
    assert answer.headers.get("retry-after") == (str(body["retryAfter"]) if "retryAfter" in body else None)
    assert ("retryAfter" in body) == (status in (429, 503))
    if status == 500:
        logged = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert len(logged) == 1
        assert logged[0].exc_info is not None


async def test_seconds_to_wait_are_passed_on(http: httpx.AsyncClient) -> None:
    assert (await http.get("/raise/unavailable")).json()["retryAfter"] == 7
    assert (await http.get("/raise/limited")).json() == {
        "statusCode": 429,
        "code": "rate_limited",
        "message": "Rate limit exceeded",
        "retryAfter": 42,
        "scope": "token",
    }


async def test_a_wrong_parameter_is_422(http: httpx.AsyncClient) -> None:
    answer = await http.get("/raise/bug?number=x")
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")
    assert answer.json()["message"].startswith("number: ")


async def test_a_path_cannot_forge_a_line_of_the_log(http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        await http.get("/x%0aINFO%20forged%1b[2J")
    (line,) = [record for record in caplog.records if record.name == "deplite_apiserver.access"]
    assert line.getMessage() == "GET /x?INFO forged?[2J 404"
    assert vars(line)["path"] == "/x?INFO forged?[2J"


async def test_an_answer_that_has_begun_is_broken_off(http: httpx.AsyncClient) -> None:
    with pytest.raises(KeyError):
        await http.get("/half")


def test_every_error_has_a_status_and_is_in_the_drawing() -> None:
    assert set(STATUS) == set(LEAVES)
    drawn = errors.__doc__ or ""
    assert [leaf.__name__ for leaf in LEAVES if leaf.__name__ not in drawn] == []


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_every_error_has_words_for_its_caller(leaf: type[errors.ApiError]) -> None:
    assert leaf.code
    assert leaf().message.endswith((".", "exceeded"))
