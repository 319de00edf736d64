"""What agents report of their jobs: who may, in what shape, and what a repeat and a late one are answered with."""

import json
from typing import Any

import httpx
import pytest

from deplite.kube.client import KubeClient
from deplite.protocol.phases import Phase, Reason
from deplite.resources import DeployJob
from deplite_apiserver.jobs.result import MAX_OUTPUT_BYTES
from deplite_apiserver.jobs.transition import Ended, Transitions
from tests.kube.edge.answers import refused
from tests.kube.jobs.conftest import Bench, Replica, enroll
from tests.kube.serving import until

ABSENT = "j-" + "a" * 26


@pytest.fixture
def transitions(stage: Bench) -> Transitions:
    """Another process of ours, which ends jobs by itself."""
    return Transitions(stage.kube, lambda _: None)


async def end(stage: Bench, transitions: Transitions, job_id: str, reason: Reason) -> None:
    await transitions.apply(stage.namespace, job_id, Ended(reason=reason, at=stage.replica.context.clock.now()))


@pytest.mark.parametrize("body", [{"status": "running"}, {"status": "success", "exitCode": 0}])
async def test_a_job_of_another_agent_or_none_is_404(
    stage: Bench, kube: KubeClient, replica: Replica, body: dict[str, Any]
) -> None:
    job_id = await stage.made()
    other = await enroll(kube, stage.namespace, replica.base)
    answers = [
        await other.call("POST", f"/agent/jobs/{job}/result", body) for job in (job_id, ABSENT, "J-X", "x" * 300)
    ]
    await other.close()
    for answer in answers:
        refused(answer, 404, "not_found")
    assert await stage.status(job_id) == ("queued", None)


WRONG: list[dict[str, Any]] = [
    {},
    {"status": "queued"},
    {"status": "Success"},
    {"status": "cancelled"},
    {"status": ""},
    {"status": None},
    {"status": 1},
    {"status": "success", "exitCode": 256},
    {"status": "success", "exitCode": -1},
    {"status": "success", "exitCode": "0"},
    {"status": "success", "exitCode": 0.5},
    {"status": "success", "exitCode": True},
    {"status": "success", "exitCode": 10**30},
    {"status": "success", "output": []},
    {"status": "success", "output": "x"},
    {"status": "failed", "errorMessage": 1},
    {"status": "failed", "reason": {}},
    {"status": "rejected", "retryAfterSeconds": -1},
    {"status": "rejected", "retryAfterSeconds": 2**53},
    {"status": "rejected", "bypassedLimits": "x"},
    {"status": "rejected", "bypassedLimits": ["x"] * 17},
    {"status": "rejected", "bypassedLimits": ["x" * 65]},
    {"status": "success", "jobId": "x"},
    {"status": "success", "phase": "Succeeded"},
]


@pytest.mark.parametrize("body", WRONG, ids=lambda body: json.dumps(body)[:50])
async def test_a_report_of_another_shape_is_422_and_changes_nothing(stage: Bench, body: dict[str, Any]) -> None:
    job_id = await stage.made()
    answer = await stage.agent.call("POST", f"/agent/jobs/{job_id}/result", body)
    refused(answer, 422, "validation_error")
    assert await stage.status(job_id) == ("queued", None)


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({"status": "success"}, "success", None),
        ({"status": "success", "exitCode": 0}, "success", None),
        ({"status": "failed", "exitCode": 255}, "failed", "exit_code"),
        ({"status": "failed", "errorMessage": "no space"}, "failed", "exit_code"),
        ({"status": "failed", "reason": "agent_crashed"}, "failed", "agent_crashed"),
        ({"status": "failed", "reason": "agent_revoked"}, "failed", "agent_revoked"),
        ({"status": "failed", "reason": "agent_lost"}, "failed", "exit_code"),
        ({"status": "failed", "reason": "anything else"}, "failed", "exit_code"),
        ({"status": "timeout"}, "failed", "timeout"),
        ({"status": "timeout", "exitCode": 143, "reason": "cancelled"}, "failed", "timeout"),
        ({"status": "rejected", "reason": "outside of office hours"}, "failed", "rejected"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_each_end_is_shown_as_one_that_polling_understands(
    stage: Bench, body: dict[str, Any], status: str, reason: str | None
) -> None:
    job_id = await stage.made()
    assert (await stage.report(job_id, "running")).status_code == 204
    answer = await stage.agent.call("POST", f"/agent/jobs/{job_id}/result", body)
    assert (answer.status_code, answer.content) == (204, b""), answer.text
    shown = await stage.shown(job_id)
    assert (shown["status"], shown["reason"]) == (status, reason)
    assert (shown["exitCode"], shown["errorMessage"]) == (body.get("exitCode"), body.get("errorMessage"))
    assert shown["queuedAt"] <= shown["startedAt"] <= shown["finishedAt"]


async def test_a_refusal_of_the_agents_own_is_shown_whole(stage: Bench) -> None:
    job_id = await stage.made()
    body = {
        "reason": "too many deploys",
        "limitType": "per_hour",
        "retryAfterSeconds": 600,
        "bypassedLimits": ["quiet_hours", "quiet_hours"],
        "errorMessage": "limit",
    }
    assert (await stage.report(job_id, "rejected", **body)).status_code == 204
    shown = await stage.shown(job_id)
    assert shown["rejection"] == {
        "reason": "too many deploys",
        "limitType": "per_hour",
        "retryAfterSeconds": 600,
        "bypassedLimits": ["quiet_hours"],
    }
    assert shown["reason"] == "rejected"


OUTPUT = {
    "url": "https://x",
    "text": "Größe ☃ \u2028 \x00 \n </script>",
    "n": 1,
    "half": 0.1,
    "minus": -0.0,
    "big": 2**60,
    "float": 1.2345678901234568e18,
    "huge": 1e300,
    "tiny": 5e-324,
    "yes": True,
    "list": [1, None, {"a": None, "b": []}],
    "nested": {"a": {"b": {}}},
    "": "empty name",
}


@pytest.mark.parametrize("status", ["success", "failed"])
async def test_an_equal_repeat_is_204_and_another_one_409(stage: Bench, status: str) -> None:
    job_id = await stage.made()
    body = {"exitCode": 0, "errorMessage": "as it was", "output": OUTPUT}
    for _ in range(3):
        assert (await stage.report(job_id, status, **body)).status_code == 204
    before = await stage.shown(job_id)
    for other in ({"exitCode": 1}, {"output": {}}, {"errorMessage": "other"}, {"exitCode": None}):
        refused(await stage.report(job_id, status, **body | other), 409, "result_conflict")
    refused(await stage.report(job_id, "timeout", **body), 409, "result_conflict")
    assert await stage.shown(job_id) == before


async def test_an_output_is_shown_as_it_was_sent_but_for_what_json_cannot_agree_on(stage: Bench) -> None:
    job_id = await stage.made()
    assert (await stage.report(job_id, "success", output=OUTPUT | {"none": None})).status_code == 204
    expected = OUTPUT | {
        "big": str(2**60),
        "float": "1.2345678901234568e+18",
        "huge": "1e+300",
        "list": [1, None, {"b": []}],
    }
    assert (await stage.shown(job_id))["output"] == expected


def output_of(size: int) -> dict[str, str]:
    """Return an output of so many bytes."""
    return {"o": "x" * (size - len('{"o":""}'))}


async def test_an_output_has_at_most_16_kib(stage: Bench) -> None:
    job_id = await stage.made()
    refused(await stage.report(job_id, "success", output=output_of(MAX_OUTPUT_BYTES + 1)), 422, "output_too_large")
    umlauts = {"o": "ä" * (MAX_OUTPUT_BYTES // 2)}
    refused(await stage.report(job_id, "success", output=umlauts), 422, "output_too_large")
    assert await stage.status(job_id) == ("queued", None)
    assert (await stage.report(job_id, "success", output=output_of(MAX_OUTPUT_BYTES))).status_code == 204
    assert (await stage.shown(job_id))["output"] == output_of(MAX_OUTPUT_BYTES)


async def test_an_output_is_at_most_32_deep_with_its_body(stage: Bench) -> None:
    def nested(depth: int) -> bytes:
        inner = "[" * (depth - 2) + "]" * (depth - 2)
        return f'{{"status":"success","output":{{"a":{inner}}}}}'.encode()

    job_id = await stage.made()
    path = f"/agent/jobs/{job_id}/result"
    refused(await stage.agent.call("POST", path, nested(33)), 422, "validation_error")
    answer: httpx.Response = await stage.agent.call("POST", path, nested(32))
    assert answer.status_code == 204, answer.text


async def test_text_that_is_none_is_kept_with_replacements(stage: Bench) -> None:
    job_id = await stage.made()
    sent = b'{"status":"failed","errorMessage":"half \\ud83d","output":{"k\\udc00":"v\\ud800"}}'
    for _ in range(2):
        answer = await stage.agent.call("POST", f"/agent/jobs/{job_id}/result", sent)
        assert answer.status_code == 204, answer.text
    shown = await stage.shown(job_id)
    assert (shown["errorMessage"], shown["output"]) == ("half ?", {"k?": "v?"})


async def test_a_long_message_is_cut_and_its_repeat_is_equal(stage: Bench) -> None:
    job_id = await stage.made()
    for _ in range(2):
        assert (await stage.report(job_id, "failed", errorMessage="ä" * 100_000)).status_code == 204
    assert (await stage.shown(job_id))["errorMessage"] == "ä" * 4096


@pytest.mark.parametrize("reason", [Reason.AGENT_LOST, Reason.TIMEOUT])
async def test_a_result_after_the_servers_end_is_202_and_kept_beside_it(
    stage: Bench, transitions: Transitions, reason: Reason
) -> None:
    job_id = await stage.made()
    assert (await stage.report(job_id, "running")).status_code == 204
    await end(stage, transitions, job_id, reason)
    await until(lambda: stage.status(job_id), ("failed", reason.value))
    for _ in range(2):
        assert (
            await stage.report(job_id, "success", exitCode=0, output={"big": 1.2345678901234568e18})
        ).status_code == 202
    refused(await stage.report(job_id, "failed", exitCode=1), 409, "result_conflict")
    job = await stage.job(job_id)
    assert (job.status.phase, job.status.reason, job.status.exit_code) == (Phase.FAILED, reason, None)
    assert job.status.late_result is not None
    assert (job.status.late_result.status, job.status.late_result.exit_code) == ("success", 0)
    assert await stage.status(job_id) == ("failed", reason.value)


@pytest.mark.parametrize("reason", [Reason.EXPIRED, Reason.TIMEOUT, Reason.REJECTED])
async def test_a_result_of_a_job_that_was_ended_before_anybody_claimed_it_is_kept_too(
    stage: Bench, transitions: Transitions, reason: Reason
) -> None:
    job_id = await stage.made()
    await end(stage, transitions, job_id, reason)
    assert (await stage.report(job_id, "success", exitCode=0)).status_code == 202
    late = (await stage.job(job_id)).status.late_result
    assert late is not None
    assert late.exit_code == 0


async def test_the_whole_job_stays_below_32_kib(stage: Bench) -> None:
    job_id = await stage.made()
    body = {"errorMessage": "ä" * 4096, "output": output_of(MAX_OUTPUT_BYTES)}
    assert (await stage.report(job_id, "failed", exitCode=1, **body)).status_code == 204
    stored: DeployJob = await stage.job(job_id)
    assert len(stored.model_dump_json(by_alias=True).encode()) < 32 * 1024
