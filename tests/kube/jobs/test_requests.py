"""What may stand in the body of a run, and what each mistake is answered with; a refusal makes no job."""

import json
from typing import Any

import httpx
import pytest
import pytest_asyncio

from deplite.resources import DeployJob
from tests.kube.edge.answers import refused
from tests.kube.jobs.conftest import Bench

FREE = {"name": "free"}
"""A workflow that says nothing of its params: they pass through."""
TYPED: dict[str, Any] = {
    "name": "typed",
    "params": [
        {"name": "count", "type": "number", "min": 1, "max": 20},
        {"name": "level", "type": "enum", "options": ["low", "high"]},
        {"name": "flag", "type": "boolean"},
        {"name": "slug", "type": "string", "pattern": "^[a-z]+$"},
        {"name": "who", "type": "string", "required": True},
        {"name": "size", "type": "number", "default": 2},
    ],
}


@pytest_asyncio.fixture(scope="module")
async def free(stage: Bench) -> str:
    """A trigger over the whole agent, for any ref; the token of the stage has no grant for it."""
    answer = await stage.agent.call("POST", "/agent/workflows/report", {"workflows": [FREE, TYPED]})
    assert answer.status_code == 200, answer.text
    return await stage.declare("free", scope="agent", workflow=None)


@pytest_asyncio.fixture(scope="module")
async def token(stage: Bench) -> str:
    return await stage.grant("any", {"type": "agent", "agents": [stage.agent_name]})


async def post(stage: Bench, free: str, token: str, body: bytes, **headers: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} | headers
    return await stage.http.post(f"/triggers/{free}/run", content=body, headers=headers)


def with_params(params: str) -> bytes:
    return f'{{"workflowName":"free","params":{params}}}'.encode()


def many(count: int, size: int = 1) -> str:
    return json.dumps({f"p{number}": "x" * size for number in range(count)})


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ("[]", "params"),
        ('"x"', "params"),
        ("null", "params"),
        ("3", "params"),
        ('{"a":{"b":1}}', "params.a"),
        ('{"a":[1]}', "params.a"),
        ('{"a":null}', "params.a"),
        ('{"a":NaN}', "params.a"),
        ('{"a":Infinity}', "params.a"),
        ('{"a":-Infinity}', "params.a"),
        ('{"a":1e999}', "params.a"),
        ('{"a":' + "9" * 5000 + "}", "params.a"),
        ('{"A=B":1}', "A=B"),
        ('{"":1}', "params"),
        (f'{{"{"x" * 65}":1}}', "params"),
        ('{"a\\u0000b":1}', "params"),
        ('{"a\\nb":1}', "params"),
        ('{"a\\u0085b":1}', "params"),
        ('{"\\ud800":1}', "params"),
        ('{"a":"\\ud800"}', "params.a"),
        ('{"a":"x\\u0000y"}', "params.a"),
        (many(101), "params"),
        (json.dumps({"a": "x" * 4097}), "params.a"),
        (json.dumps({"a": "é" * 2049}), "params.a"),
        (json.dumps({"a": "x" * 4096, "b": "x" * 4095}), "params"),
        ('{"a":' + "[" * 40 + "]" * 40 + "}", ""),
    ],
    ids=lambda value: value[:30],
)
async def test_wrong_params_are_422_and_name_the_field(
    stage: Bench, free: str, token: str, params: str, field: str
) -> None:
    body = refused(await post(stage, free, token, with_params(params)), 422, "validation_error")
    assert field in body["message"]


@pytest.mark.parametrize(
    "params",
    [
        {},
        {f"p{number}": number for number in range(100)},
        {"x" * 64: "y"},
        {"a": "x" * 4096, "b": "x" * 4094},
        {"Größe ☃": "😀", "a.b-c d": "&<>\u2028\u2029", "PATH": "x", "ünïcode": True},
        {"a": 2**53, "b": -(2**63), "c": 10**300, "d": 0.1, "e": 1e300, "f": -0.0, "g": False},
    ],
    ids=["none", "100", "64 characters", "8 KiB", "odd names", "numbers"],
)
async def test_params_at_their_bounds_are_taken_and_kept(
    stage: Bench, free: str, token: str, params: dict[str, Any]
) -> None:
    answer = await post(stage, free, token, with_params(json.dumps(params)))
    assert answer.status_code == 202, answer.text
    kept = (await stage.job(answer.json()["jobId"])).spec.params
    assert set(kept) == set(params)
    for name, value in params.items():
        assert kept[name] == value or kept[name] == str(value)


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({}, "params.who"),
        ({"who": "a", "other": 1}, "params.other"),
        ({"who": "a", "count": 0}, "params.count"),
        ({"who": "a", "count": 20.5}, "params.count"),
        ({"who": "a", "count": "many"}, "params.count"),
        ({"who": "a", "count": True}, "params.count"),
        ({"who": "a", "count": "0x10"}, "params.count"),
        ({"who": "a", "level": "middle"}, "params.level"),
        ({"who": "a", "flag": "maybe"}, "params.flag"),
        ({"who": "a", "slug": "A"}, "params.slug"),
        ({"who": "a", "slug": "a\n"}, "params.slug"),
    ],
)
async def test_params_against_the_reported_schema(
    stage: Bench, free: str, token: str, params: dict[str, Any], field: str
) -> None:
    sent = json.dumps({"workflowName": "typed", "params": params}).encode()
    body = refused(await post(stage, free, token, sent), 422, "validation_error")
    assert body["message"].startswith(field)


async def test_good_params_are_coerced_and_defaults_filled_in(stage: Bench, free: str, token: str) -> None:
    params = {"who": 5, "count": "3", "flag": "TRUE", "level": "low"}
    answer = await post(stage, free, token, json.dumps({"workflowName": "typed", "params": params}).encode())
    assert answer.status_code == 202, answer.text
    job = await stage.job(answer.json()["jobId"])
    assert job.spec.params == {"who": "5", "count": 3, "flag": True, "level": "low", "size": 2}


@pytest.mark.parametrize(
    "ref",
    [
        *("-rf", "a..b", "x~1", "a b", "x.lock", "refs/../x", "a\0b", "x" * 256, "\ud800", "", "/a", "a/", "a//b"),
        *(".a", "a^", "a:b", "a?", "a*", "a[", "a\\b", "@", "a@{b", "a.", "a\x7f", "a\n", "x.lock/y"),
    ],
    ids=lambda value: ascii(value)[:20],
)
async def test_a_ref_that_is_none_is_422(stage: Bench, free: str, token: str, ref: str) -> None:
    sent = json.dumps({"workflowName": "free", "ref": ref}).encode()
    refused(await post(stage, free, token, sent), 422, "invalid_ref")


@pytest.mark.parametrize("ref", ["main", "refs/heads/main", "v1.2.3", "x" * 255, "größe/☃", "a/b-c_d", "a@b", "HEAD"])
async def test_a_ref_is_kept_as_it_was_sent(stage: Bench, free: str, token: str, ref: str) -> None:
    answer = await post(stage, free, token, json.dumps({"workflowName": "free", "ref": ref}).encode())
    assert answer.status_code == 202, answer.text
    assert (await stage.shown_by(answer.json()["jobId"], token))["ref"] == ref


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "invalid_json"),
        (b"ref=main", "invalid_json"),
        (b"\xef\xbb\xbf{}", "invalid_json"),
        (b'{"ref":"main","ref":"x"}', "duplicate_key"),
        (b'{"workflowName":"free","params":{"a":1,"a":2}}', "duplicate_key"),
        (b"[]", "validation_error"),
        (b'{"workflowName":"free","status":"success"}', "validation_error"),
        (b'{"workflowName":"free","orgId":"org-x"}', "validation_error"),
        (b'{"workflowName":"free","workflow_name":"x"}', "validation_error"),
        (b'{"workflowName":"free","force":true}', "validation_error"),
        (b'{"workflowName":"free","debug":1}', "validation_error"),
        (b'{"workflowName":"free","debug":"true"}', "validation_error"),
        (b'{"workflowName":"free","ref":1}', "validation_error"),
        (b'{"workflowName":1}', "validation_error"),
        (b'{"workflowName":""}', "validation_error"),
        (b'{"workflowName":"' + b"x" * 129 + b'"}', "validation_error"),
        (b"{}", "validation_error"),
        (b"", "validation_error"),
        (b'{"workflowName":null}', "validation_error"),
        (b'{"workflowName":"absent"}', "unknown_workflow"),
        (b'{"workflowName":"FREE"}', "unknown_workflow"),
        (b'{"workflowName":"../free"}', "unknown_workflow"),
        (b'{"workflowName":"free\\u0000"}', "unknown_workflow"),
        (b'{"workflowName":"\\u001b[2Jfree"}', "unknown_workflow"),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_a_wrong_body_is_422(stage: Bench, free: str, token: str, body: bytes, code: str) -> None:
    message = refused(await post(stage, free, token, body), 422, code)["message"]
    assert message.isprintable()


async def test_a_refusal_makes_no_job(stage: Bench, free: str, token: str) -> None:
    before = {job.name for job in await stage.kube.list(DeployJob, stage.namespace)}
    for body in (b"{", b"{}", with_params('{"a":[]}'), b'{"workflowName":"free","ref":"-rf"}'):
        assert (await post(stage, free, token, body)).status_code == 422
    assert {job.name for job in await stage.kube.list(DeployJob, stage.namespace)} == before


async def test_a_compressed_body_is_415_and_a_huge_one_413(stage: Bench, free: str, token: str) -> None:
    refused(await post(stage, free, token, b"x", **{"Content-Encoding": "gzip"}), 415, "unsupported_encoding")
    refused(await post(stage, free, token, b" " * (1024 * 1024 + 1)), 413, "too_large")


@pytest.mark.parametrize("prefix", ["", "/api", "/v1"])
@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "application/json", None])
async def test_json_of_any_type_under_every_prefix(
    stage: Bench, free: str, token: str, prefix: str, content_type: str | None
) -> None:
    headers = {"Authorization": f"Bearer {token}"} | ({"Content-Type": content_type} if content_type else {})
    body = b'{"workflowName":"free","ref":"main","debug":true}'
    answer = await stage.http.post(f"{prefix}/triggers/{free}/run", content=body, headers=headers)
    assert answer.status_code == 202, answer.text
    job_id = answer.json()["jobId"]
    assert answer.json()["statusUrl"] == f"/api/jobs/{job_id}"
    shown = (await stage.get(f"{prefix}/jobs/{job_id}", token=token)).json()
    assert (shown["id"], shown["debug"], shown["status"]) == (job_id, True, "queued")
    assert (await stage.get(f"{prefix}/jobs/{job_id}/logs", token=token)).json() == {"items": [], "nextSeq": 0}


async def test_what_a_job_shows_before_it_began(stage: Bench, free: str, token: str) -> None:
    answer = await post(stage, free, token, b'{"workflowName":"free"}')
    shown = await stage.shown_by(answer.json()["jobId"], token)
    assert shown.pop("queuedAt")
    assert shown == {
        "id": answer.json()["jobId"],
        "agentId": stage.agent.agent_id,
        "triggerId": free,
        "workflowName": "free",
        "status": "queued",
        "debug": False,
        "waitingFor": "agent_offline",
        "files": [],
    } | dict.fromkeys(
        ["ref", "exitCode", "output", "errorMessage", "reason", "rejection", "startedAt", "finishedAt"], None
    )
