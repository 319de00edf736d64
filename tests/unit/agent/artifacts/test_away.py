"""Artifacts while server or storage are away: tried again, as long as the job's time allows."""

import time
from pathlib import Path

import pytest

from deplite_agent.artifacts.delivery import time_for
from tests.bucket import Bucket, Fault
from tests.unit.agent.artifacts.filing import Filing
from tests.unit.agent.artifacts.jobs import KEY, MAKE, of, ran, workflow
from tests.unit.agent.builders import order
from tests.unit.agent.jobs.conftest import Desks
from tests.unit.agent.jobs.test_desk import over
from tests.unit.agent.server import Server, answer


async def test_a_store_that_is_away_is_asked_again_when_it_says(
    tmp_path: Path, desks: Desks, bucket: Bucket, filing: Filing
) -> None:
    workflow(tmp_path, MAKE, "[dist/one.txt]")
    moments: list[float] = []

    def away(method: str, path: str) -> Fault | None:
        moments.append(time.monotonic())
        return Fault(status=503, headers={"Retry-After": "2"}) if len(moments) < 2 else None

    bucket.fault = away
    await ran(desks)
    assert filing.names == ["dist/one.txt"]
    assert moments[1] - moments[0] >= 2
    assert len(filing.declared) == 1, "the address is still good"


async def test_a_server_that_cannot_reach_its_store_is_asked_again(
    tmp_path: Path, server: Server, desks: Desks, filing: Filing
) -> None:
    workflow(tmp_path, MAKE, "[dist/one.txt]")
    answers = [answer(503, "storage_unavailable"), answer(503, "storage_unavailable")]
    server.script = lambda call: answers.pop() if "/files/" in call.path and answers else filing(call)
    await ran(desks)
    assert filing.names == ["dist/one.txt"]


async def test_an_answer_of_the_store_that_was_lost_costs_no_second_object(
    tmp_path: Path, desks: Desks, bucket: Bucket, filing: Filing
) -> None:
    workflow(tmp_path, MAKE, "[dist/one.txt]")
    bucket.fault = lambda _m, _p: Fault(status=500, stores=True) if len(bucket.asked) == 1 else None
    await ran(desks)
    assert filing.names == ["dist/one.txt"]
    assert bucket.asked == ["PUT /f-0", "PUT /f-0"], "the second one is 412: it is there"


async def test_an_address_whose_time_is_over_is_asked_for_anew_and_the_old_one_given_back(
    tmp_path: Path, server: Server, desks: Desks, bucket: Bucket, filing: Filing
) -> None:
    workflow(tmp_path, MAKE, "[dist/one.txt]")
    bucket.fault = lambda _m, _p: Fault(status=403, code="AccessDenied") if len(bucket.asked) == 1 else None
    await ran(desks)
    assert bucket.asked == ["PUT /f-0", "PUT /f-1"]
    assert filing.completed == ["f-1"]
    assert [call.path for call in server.calls if call.method == "DELETE"] == ["/agent/files/f-0"]


async def test_an_address_is_not_used_beyond_its_time(
    tmp_path: Path, desks: Desks, bucket: Bucket, filing: Filing
) -> None:
    workflow(tmp_path, MAKE, "[dist/one.txt]")
    filing.lasts = 0
    bucket.fault = lambda _m, _p: Fault(status=503) if len(bucket.asked) == 1 else None
    await ran(desks)
    assert filing.completed == ["f-1"]


@pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (404, "NoSuchBucket")])
async def test_a_store_that_refuses_for_good_is_given_up(
    tmp_path: Path, server: Server, desks: Desks, bucket: Bucket, filing: Filing, status: int, code: str
) -> None:
    workflow(tmp_path, MAKE, "[dist/one.txt]")
    bucket.fault = lambda _m, _p: Fault(status=status, code=code)
    await ran(desks)
    assert len(bucket.asked) == 5
    assert f"{status} {code}" in of(server, "system")[0]["content"]
    assert server.results[KEY]["status"] == "success"


async def test_the_jobs_time_bounds_it_and_the_result_is_not_touched(
    tmp_path: Path, server: Server, desks: Desks, bucket: Bucket, filing: Filing
) -> None:
    home = workflow(tmp_path, MAKE, more="timeout-minutes: 10")
    bucket.fault = lambda _m, _p: Fault(status=503)

    def monotonic() -> float:
        """Ten minutes less a margin of half a minute: once the step has done its work, uploads have one second."""
        return 569.0 if (home / "dist" / "two.html").exists() else 0.0

    desk = desks(monotonic=monotonic)
    desk.take(order())
    await over(desk)
    assert filing.completed == []
    assert "The job's time left no more room for uploads" in of(server, "system")[0]["content"]
    assert server.results[KEY] == {"status": "success", "exitCode": 0}


async def test_the_time_that_the_server_gives_bounds_it_too(
    tmp_path: Path, server: Server, desks: Desks, bucket: Bucket, filing: Filing
) -> None:
    workflow(tmp_path, MAKE)
    bucket.fault = lambda _m, _p: Fault(status=503)
    desk = desks()
    desk.take(order(job_seconds=5))
    await over(desk)
    assert "The job's time left no more room for uploads" in of(server, "system")[0]["content"]
    assert server.results[KEY] == {"status": "success", "exitCode": 0}


async def test_a_store_that_stays_away_is_given_up_and_the_next_files_are_not_tried(
    tmp_path: Path, server: Server, desks: Desks, bucket: Bucket, filing: Filing
) -> None:
    workflow(tmp_path, MAKE)
    bucket.fault = lambda _m, _p: Fault(status=503)
    desk = desks(storage_seconds=0)
    desk.take(order())
    await over(desk)
    assert bucket.asked == ["PUT /f-0", "PUT /f-0"]
    told = [line["content"] for line in of(server, "system")]
    assert [line for line in told if "dist/one.txt was not uploaded: the storage has been away" in line]
    assert not [line for line in told if "two.html" in line]
    assert server.results[KEY] == {"status": "success", "exitCode": 0}


async def test_a_store_that_the_server_alone_cannot_reach_is_given_up_as_well(
    tmp_path: Path, server: Server, desks: Desks, filing: Filing
) -> None:
    workflow(tmp_path, MAKE, "[dist/one.txt]")
    server.script = lambda call: answer(503, "storage_unavailable") if "/files/" in call.path else filing(call)
    desk = desks(storage_seconds=0)
    desk.take(order())
    await over(desk)
    assert "the storage has been away" in of(server, "system")[0]["content"]
    assert server.results[KEY] == {"status": "success", "exitCode": 0}


@pytest.mark.parametrize(
    ("status", "passed", "whole", "seconds"),
    [("success", 10, 3600, 3560), ("failed", 10, 60, 44), ("success", 3599, 3600, 0), ("timeout", 61, 60, 60)],
)
def test_how_long_uploads_may_take(status: str, passed: float, whole: float, seconds: float) -> None:
    assert time_for(status, passed, whole) == seconds
