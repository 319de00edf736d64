"""Bodies: strict JSON whatever the content type says, within bounds of size and time."""

import asyncio
import gzip
import json
import time
from typing import Any

import httpx
import pytest

from tests.kube.edge.answers import refused
from tests.kube.edge.conftest import Organized
from tests.kube.edge.rawhttp import RawAnswer, Wire
from tests.kube.jobs.conftest import Replica

MAX_BODY = 1024 * 1024


async def send(http: httpx.AsyncClient, home: Organized, owner: dict[str, str], body: bytes, **headers: str) -> Any:
    """PATCH the agent of `home` with a body of any bytes."""
    return await http.patch(f"/agents/{home.agent.agent_id}", content=body, headers=owner | headers)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "invalid_json"),
        (b'{"name":"x"', "invalid_json"),
        (b'{"name":"x"}}', "invalid_json"),
        (b'{"name":"x"} {}', "invalid_json"),
        (b"{'name':'x'}", "invalid_json"),
        (b'{"name":"x",}', "invalid_json"),
        (b'{"name":"a\nb"}', "invalid_json"),
        (b"name=x", "invalid_json"),
        (b"\xef\xbb\xbf{}", "invalid_json"),
        ('{"name":"x"}'.encode("utf-16"), "invalid_json"),
        ('{"name":"x"}'.encode("utf-16-le"), "invalid_json"),
        ('{"name":"x"}'.encode("utf-32"), "invalid_json"),
        (b'{"name":"\xff"}', "invalid_json"),
        (b'{"name":"\xed\xa0\x80"}', "invalid_json"),
        (b"\x00", "invalid_json"),
        (b" ", "invalid_json"),
        (b" \r\n\t", "invalid_json"),
        (b"[" * 100_000, "invalid_json"),
        (b'{"name":' * 100_000, "invalid_json"),
        (b'{"name":"x","name":"y"}', "duplicate_key"),
        (b'{"name":"x","n\\u0061me":"y"}', "duplicate_key"),
        (b'{"x":{"a":1,"a":1}}', "duplicate_key"),
        (b'{"suspended":NaN}', "validation_error"),
        (b'{"suspended":Infinity}', "validation_error"),
        (b'{"suspended":-Infinity}', "validation_error"),
        (b'{"suspended":1e999}', "validation_error"),
        (b'{"suspended":' + b"9" * 5000 + b"}", "validation_error"),
        (b'{"name":' + b"[" * 40 + b"]" * 40 + b"}", "validation_error"),
        (b"[" * 33 + b"]" * 33, "validation_error"),
        (b"[]", "validation_error"),
        (b"null", "validation_error"),
        (b'"text"', "validation_error"),
        (b"1", "validation_error"),
        (b'{"nme":"x"}', "validation_error"),
        (b'{"status":{"state":"Connected"}}', "validation_error"),
        (b'{"orgId":"org-other"}', "validation_error"),
        (b'{"display_name":"x"}', "validation_error"),
        (b'{"name":1}', "validation_error"),
        (b'{"name":""}', "validation_error"),
        (b'{"name":"' + b"x" * 129 + b'"}', "validation_error"),
        (b'{"name":"\\ud800"}', "validation_error"),
        (b'{"suspended":"true"}', "validation_error"),
        (b'{"suspended":1}', "validation_error"),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_a_wrong_body_is_422(
    http: httpx.AsyncClient, home: Organized, owner: dict[str, str], body: bytes, code: str
) -> None:
    refused(await send(http, home, owner, body), 422, code)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"suspended":NaN}', "suspended"),
        (b'{"nme":"x"}', "nme"),
        (b'{"name":{"deep":[NaN]}}', "name.deep.0"),
        (b'{"evil\\u001b[2J":1}', "evil?[2J"),
    ],
)
async def test_the_message_names_the_field_and_echoes_no_control_character(
    http: httpx.AsyncClient, home: Organized, owner: dict[str, str], body: bytes, field: str
) -> None:
    message = refused(await send(http, home, owner, body), 422, "validation_error")["message"]
    assert message.startswith(f"{field}: ")


async def test_a_long_name_of_a_field_is_cut_in_the_message(
    http: httpx.AsyncClient, home: Organized, owner: dict[str, str]
) -> None:
    answer = await send(http, home, owner, b'{"' + b"x" * 500_000 + b'":NaN}')
    assert len(refused(answer, 422, "validation_error")["message"]) < 200


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "text/plain",
        "application/json; charset=latin-1",
        "multipart/form-data",
        "",
        None,
    ],
)
async def test_json_is_json_whatever_its_type_says(
    http: httpx.AsyncClient, home: Organized, owner: dict[str, str], content_type: str | None
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = await send(http, home, owner, '{"name":"Größe ☃"}'.encode(), **headers)
    assert (answer.status_code, answer.json()["name"]) == (200, "Größe ☃")


@pytest.mark.parametrize("body", [b"", b"{}", b" {} "])
async def test_no_body_is_an_empty_object(
    http: httpx.AsyncClient, home: Organized, owner: dict[str, str], body: bytes
) -> None:
    assert (await send(http, home, owner, body)).status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity, gzip", "x"])
async def test_a_compressed_body_is_415(
    http: httpx.AsyncClient, home: Organized, owner: dict[str, str], encoding: str
) -> None:
    answer = await send(http, home, owner, gzip.compress(b"{}"), **{"Content-Encoding": encoding})
    refused(answer, 415, "unsupported_encoding")


async def test_identity_is_no_compression(http: httpx.AsyncClient, home: Organized, owner: dict[str, str]) -> None:
    assert (await send(http, home, owner, b"{}", **{"Content-Encoding": "Identity"})).status_code == 200


async def test_a_mebibyte_is_read_and_one_byte_more_is_not(
    http: httpx.AsyncClient, home: Organized, owner: dict[str, str]
) -> None:
    padded = b"{}" + b" " * (MAX_BODY - 2)
    assert (await send(http, home, owner, padded)).status_code == 200
    refused(await send(http, home, owner, padded + b" "), 413, "too_large")


def head(home: Organized, owner: dict[str, str], *headers: str) -> bytes:
    lines = [f"PATCH /agents/{home.agent.agent_id} HTTP/1.1", "Host: h", f"Authorization: {owner['Authorization']}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode()


async def test_a_declared_length_over_the_bound_is_413_before_a_byte_is_read(
    replica: Replica, home: Organized, owner: dict[str, str]
) -> None:
    wire = await Wire.open(replica.base)
    await wire.send(head(home, owner, f"Content-Length: {MAX_BODY + 1}", "Expect: 100-continue"))
    answer = await wire.answer()  # not `100 Continue`
    assert (answer.status, answer.json()["code"], answer.closed) == (413, "too_large", True)
    await wire.close()


@pytest.mark.parametrize("length", ["9" * 30, "9" * 5000])
async def test_a_length_beyond_all_numbers_is_refused(
    replica: Replica, home: Organized, owner: dict[str, str], length: str
) -> None:
    wire = await Wire.open(replica.base)
    await wire.send(head(home, owner, f"Content-Length: {length}"))
    answer = await wire.answer()
    assert (answer.status, answer.closed) == (400, True)
    await wire.close()


async def test_endless_chunks_are_413_as_soon_as_they_are_too_many(
    replica: Replica, home: Organized, owner: dict[str, str]
) -> None:
    wire = await Wire.open(replica.base)
    await wire.send(head(home, owner, "Transfer-Encoding: chunked"))
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    feeding = asyncio.create_task(_feed(wire, chunk))
    answer = await wire.answer()
    assert (answer.status, answer.json()["code"]) == (413, "too_large")
    feeding.cancel()
    await asyncio.gather(feeding, return_exceptions=True)
    await wire.close()


async def _feed(wire: Wire, chunk: bytes) -> None:
    while True:
        await wire.send(chunk)


@pytest.mark.parametrize("headers", [["Transfer-Encoding: chunked"], ["Content-Length: 10"]])
async def test_a_body_that_does_not_end_is_408_after_the_time_of_the_settings(
    replica: Replica, home: Organized, owner: dict[str, str], headers: list[str]
) -> None:
    wire = await Wire.open(replica.base)
    began = time.monotonic()
    await wire.send(head(home, owner, *headers) + (b"1\r\n{\r\n" if "chunked" in headers[0] else b"{"))
    answer: RawAnswer = await wire.answer()
    seconds = time.monotonic() - began
    assert (answer.status, answer.json()["code"], answer.closed) == (408, "request_timeout", True)
    assert seconds >= replica.context.settings.read_seconds
    await wire.close()


async def test_a_caller_who_hangs_up_in_the_middle_harms_nobody(
    replica: Replica, http: httpx.AsyncClient, home: Organized, owner: dict[str, str]
) -> None:
    wire = await Wire.open(replica.base)
    await wire.send(head(home, owner, "Content-Length: 10") + b"{")
    await wire.close()
    assert (await send(http, home, owner, b"{}")).status_code == 200


async def test_who_may_not_call_learns_nothing_of_the_body(
    http: httpx.AsyncClient, home: Organized, member: dict[str, str], stranger: dict[str, str]
) -> None:
    for body in (b"{", b'{"nme":1}', json.dumps({"name": "x"}).encode()):
        refused(await send(http, home, member, body), 403, "forbidden")
        refused(await send(http, home, stranger, body), 404, "not_found")
        refused(await send(http, home, {}, body), 401, "unauthorized")
