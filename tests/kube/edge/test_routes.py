"""Prefixes, unknown paths, wrong methods, and heads that two parsers could read differently."""

import asyncio
import contextlib
import json
import re

import httpx
import pytest

from deplite_apiserver.app import reference
from tests.kube.edge.answers import refused
from tests.kube.edge.conftest import Organized
from tests.kube.edge.rawhttp import Wire, exchange
from tests.kube.jobs.conftest import Replica


@pytest.mark.parametrize("prefix", ["", "/api", "/v1"])
async def test_every_prefix_serves_the_same_routes(
    http: httpx.AsyncClient, home: Organized, owner: dict[str, str], prefix: str
) -> None:
    answer = await http.get(f"{prefix}/triggers/{home.trigger_id}", headers=owner)
    assert (answer.status_code, answer.json()["id"]) == (200, home.trigger_id)


@pytest.mark.parametrize("prefix", ["/api/api", "/v1/v1", "/api/v1", "/v1/api", "/API", "//api", "/apis", "/v2"])
async def test_no_other_prefix_leads_anywhere(replica: Replica, prefix: str) -> None:
    request = f"GET {prefix}/livez HTTP/1.1\r\nHost: h\r\n\r\n"
    answer = await exchange(replica.base, request.encode())
    assert (answer.status, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/docs/", "/openapi.yaml", "/redoc", "/triggers", "/livez/", "/orgs"]
)
async def test_an_unknown_path_is_404_for_everybody(http: httpx.AsyncClient, owner: dict[str, str], path: str) -> None:
    refused(await http.get(path), 404, "not_found")
    refused(await http.get(path, headers=owner), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/livez", "GET"),
        ("HEAD", "/agent/enroll", "POST"),
        ("PUT", "/triggers/tr-aaaaaaaaaaaaaaaa", "DELETE, GET, PATCH"),
        ("DELETE", "/orgs/org-x/triggers", "GET, POST"),
        ("GET", "/triggers/tr-aaaaaaaaaaaaaaaa/run", "POST"),
        ("PATCH", "/orgs/org-x/agents/enroll-tokens", "GET, POST"),
        ("POST", "/agent/identity", "PATCH"),
        ("TRACE", "/v1/token", "GET"),
        ("OPTIONS", "/api/token", "GET"),
        ("PROPFIND", "/token", "GET"),
    ],
)
async def test_a_wrong_method_is_405_and_names_the_right_ones(
    http: httpx.AsyncClient, method: str, path: str, allowed: str
) -> None:
    answer = await http.request(method, path)
    assert answer.headers["allow"] == allowed
    assert answer.status_code == 405
    if method != "HEAD":
        refused(answer, 405, "method_not_allowed")


PATHS: dict[str, dict[str, object]] = reference()["paths"]
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}


@pytest.mark.parametrize("path", PATHS)
async def test_no_path_takes_a_method_that_the_document_lacks(http: httpx.AsyncClient, path: str) -> None:
    meant = [one for one in PATHS if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", one), path)]
    known = {method.upper() for one in meant for method in PATHS[one]}
    for method in sorted(METHODS - known):
        answer = await http.request(method, re.sub(r"\{\w+\}", "x", path))
        assert answer.status_code == 405, method
        assert set(answer.headers["allow"].split(", ")) == known, method


HEAD = b"POST /agent/enroll HTTP/1.1\r\nHost: h\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: 5, 5\r\n",
        b"Content-Length: -1\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b" folded: x\r\n",
        b"Bad Header: x\r\n",
    ],
)
async def test_a_head_with_two_readings_is_400_and_the_connection_closes(replica: Replica, head: bytes) -> None:
    answer = await exchange(replica.base, HEAD + head + b"\r\n0\r\n\r\nGET /livez HTTP/1.1\r\nHost: h\r\n\r\n")
    assert (answer.status, answer.json()["code"]) == (400, "bad_request")
    assert answer.closed


@pytest.mark.parametrize("line", [b"BREW /token HTTP/1.1", b"GET /\xff HTTP/1.1", b"GET / HTTP/9.9", b"x"])
async def test_what_is_no_http_is_400_in_the_documented_shape(replica: Replica, line: bytes) -> None:
    answer = await exchange(replica.base, line + b"\r\nHost: h\r\n\r\n")
    assert (answer.status, answer.json()["code"], answer.closed) == (400, "bad_request", True)


async def test_the_parser_names_a_bad_idempotency_key(replica: Replica) -> None:
    bad = HEAD + b"Idempotency-Key: a\x01b\r\n\r\n"
    wire = await Wire.open(replica.base)
    await wire.send(b"GET /livez HTTP/1.1\r\nHost: h\r\n\r\n")
    assert (await wire.answer(keep_open=True)).status == 200
    await wire.send(bad)
    answer = await wire.answer()
    assert (answer.status, answer.json()["code"], answer.closed) == (422, "invalid_idempotency_key", True)
    await wire.close()


async def test_a_malformed_head_is_never_answered_in_the_place_of_the_request_before_it(replica: Replica) -> None:
    wire = await Wire.open(replica.base)
    await wire.send(b"GET /readyz HTTP/1.1\r\nHost: h\r\n\r\n" + HEAD + b"Bad Header: x\r\n\r\n")
    with contextlib.suppress(asyncio.IncompleteReadError):
        assert (await wire.answer()).status != 400
    await wire.close()


async def test_an_endless_head_is_431(replica: Replica) -> None:
    answer = await exchange(replica.base, b"GET /livez HTTP/1.1\r\nX-Endless: " + b"a" * (300 * 1024))
    assert (answer.status, answer.json()["code"], answer.closed) == (431, "headers_too_large", True)


async def test_a_head_that_does_not_end_is_408_after_the_time_of_the_settings(replica: Replica) -> None:
    answer = await exchange(replica.base, b"GET /livez HTTP/1.1\r\nX-Slow: ")
    assert (answer.status, answer.json()["code"], answer.closed) == (408, "request_timeout", True)


async def test_a_second_head_on_the_connection_has_its_own_time(replica: Replica) -> None:
    wire = await Wire.open(replica.base)
    await wire.send(b"GET /livez HTTP/1.1\r\nHost: h\r\n\r\n")
    assert ((first := await wire.answer()).status, first.closed) == (200, False)
    await wire.send(b"GET /livez HTTP/1.1\r\n")
    assert (await wire.answer()).status == 408
    await wire.close()


async def test_an_upgrade_to_a_websocket_is_an_ordinary_request(replica: Replica) -> None:
    head = b"GET /livez HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    answer = await exchange(replica.base, head + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA\r\n\r\n")
    assert answer.status == 200


async def test_http_1_0_with_chunks_is_refused(replica: Replica) -> None:
    data = b"POST /agent/enroll HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"
    answer = await exchange(replica.base, data)
    assert (answer.status, answer.closed) == (400, True)


async def test_too_many_header_bytes_are_431(replica: Replica) -> None:
    data = b"GET /livez HTTP/1.1\r\nHost: h\r\nX-Padding: " + b"a" * (16 * 1024) + b"\r\n\r\n"
    answer = await exchange(replica.base, data)
    assert (answer.status, answer.closed) == (431, True)
    assert json.loads(answer.body)["code"] == "headers_too_large"


async def test_headers_of_every_answer(http: httpx.AsyncClient) -> None:
    answer = await http.get("/livez", headers={"X-Request-Id": "my-own.id_1"})
    assert answer.headers["x-request-id"] == "my-own.id_1"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    answer = await http.get("/livez", headers={"X-Request-Id": "no good" + "x" * 100})
    assert len(answer.headers["x-request-id"]) == 16
    assert "server" not in answer.headers
