"""The trail: batches by organization and day, nothing written twice, nothing waits for a store that is away."""

import json
import logging
from datetime import UTC, datetime, timedelta

import pytest

from deplite_apiserver.audit.record import AuditRecord
from deplite_apiserver.audit.trail import MAX_BATCH, MAX_WAITING, Trail
from deplite_apiserver.storage.objects import StorageUnavailableError
from tests.unit.apiserver.storage.bucket import Bucket

AT = datetime(2026, 5, 31, 23, 59, 59, 5, tzinfo=UTC)


def record(object_id: str, organization: str = "org-a", time: datetime = AT) -> AuditRecord:
    return AuditRecord(
        time=time,
        organization=organization,
        action="agent.changed",
        object_kind="Agent",
        object_id=object_id,
        who={"kind": "user", "id": "https://a#olga"},
        source="192.0.2.1",
        request_id="r",
        outcome="done",
        status=200,
        code=None,
        detail={},
    )


def kept(bucket: Bucket) -> dict[str, list[str]]:
    return {
        key: [json.loads(line)["object"]["id"] for line in data.splitlines()]
        for key, (data, _) in bucket.objects.items()
    }


async def test_one_object_for_each_organization_and_day() -> None:
    bucket = Bucket()
    trail = Trail(bucket, "one")
    for made in (record("1"), record("2", "org-b"), record("3"), record("4", time=AT + timedelta(seconds=1))):
        trail.keep(made)
    assert bucket.objects == {}
    await trail.flush()
    assert kept(bucket) == {
        "audit/org-a/2026-05-31/235959.000005-one-1.jsonl": ["1", "3"],
        "audit/org-b/2026-05-31/235959.000005-one-2.jsonl": ["2"],
        "audit/org-a/2026-06-01/000000.000005-one-3.jsonl": ["4"],
    }
    lines = [json.loads(line) for data, _ in bucket.objects.values() for line in data.splitlines()]
    assert sorted(line["number"] for line in lines) == [1, 2, 3, 4]
    assert {line["replica"] for line in lines} == {"one"}


async def test_the_next_records_are_other_objects() -> None:
    bucket = Bucket()
    trail = Trail(bucket, "one")
    for name in ("1", "2"):
        trail.keep(record(name))
        await trail.flush()
    await trail.flush()
    assert sorted(kept(bucket).values()) == [["1"], ["2"]]


async def test_a_store_that_is_away_gets_everything_later_in_the_same_objects() -> None:
    bucket = Bucket()
    trail = Trail(bucket, "one")
    bucket.away = True
    trail.keep(record("1"))
    with pytest.raises(StorageUnavailableError):
        await trail.flush()
    trail.keep(record("2"))
    bucket.away = False
    await trail.flush()
    assert [*kept(bucket).values()] == [["1"], ["2"]]


async def test_a_large_batch_is_several_objects() -> None:
    bucket = Bucket()
    trail = Trail(bucket, "one")
    for number in range(MAX_BATCH + 1):
        trail.keep(record(str(number)))
    await trail.flush()
    assert [len(names) for names in kept(bucket).values()] == [MAX_BATCH, 1]


async def test_what_finds_no_room_is_in_the_log_and_leaves_a_hole_in_the_numbers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bucket = Bucket()
    trail = Trail(bucket, "one")
    for number in range(MAX_WAITING + 1):
        trail.keep(record(str(number)))
    (lost,) = [line for line in caplog.records if line.__dict__["action"] == "audit_lost"]
    assert json.loads(lost.getMessage().partition(": ")[2])["object"]["id"] == str(MAX_WAITING)
    await trail.flush()
    trail.keep(record("later"))
    await trail.flush()
    lines = [json.loads(line) for data, _ in bucket.objects.values() for line in data.splitlines()]
    assert len(lines) == MAX_WAITING + 1
    assert lines[-1]["number"] == MAX_WAITING + 2


async def test_the_end_writes_what_waits() -> None:
    bucket = Bucket()
    trail = Trail(bucket, "one")
    trail.keep(record("1"))
    await trail.close()
    assert [*kept(bucket).values()] == [["1"]]


async def test_the_end_says_in_the_log_what_could_not_be_written(caplog: pytest.LogCaptureFixture) -> None:
    bucket = Bucket()
    bucket.away = True
    trail = Trail(bucket, "one")
    trail.keep(record("1"))
    with caplog.at_level(logging.ERROR):
        await trail.close()
    assert ['"id":"1"' in line.getMessage() for line in caplog.records] == [True]
