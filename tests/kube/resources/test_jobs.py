"""A DeployJob as the API server keeps it: what was accepted never changes, whatever its params are."""

from typing import Any

import pytest

from deplite.kube.errors import InvalidError
from deplite.resources import DeployJob
from tests.kube.resources.conftest import Door, refusal
from tests.unit.resources.schemas import definitions, schema_of

FULL: dict[str, Any] = {
    "trigger": "deploy",
    "agent": "web",
    "workflow": "deploy",
    "ref": "main",
    "params": {"a": 1, "b": {"c": [1, 2.5]}, "d": None},
    "debug": False,
    "requestedBy": {"kind": "user", "id": "i#s", "name": "Olga"},
    "fingerprint": "a" * 64,
    "concurrencyGroup": "g",
    "concurrencyPolicy": "queue",
    "concurrencyPlace": 10,
    "queueSeconds": 10,
    "jobSeconds": 10,
    "ttlSecondsAfterFinished": 200_000,
    "notify": {"slack": {"channel": "C1", "teamId": "T1", "when": "always"}},
}
CHANGES: list[tuple[str, Any]] = [
    ("trigger", "other"),
    ("trigger", None),
    ("agent", "other"),
    ("workflow", "other"),
    ("ref", "other"),
    ("ref", None),
    ("params", {"a": 2}),
    ("params", {"a": 1.5}),
    ("params", {"a": None}),
    ("params", {"new": 1}),
    ("params", {"b": {"c": [1, 2]}}),
    ("params", None),
    ("debug", True),
    ("requestedBy", {"kind": "token"}),
    ("requestedBy", {"id": "i#other"}),
    ("requestedBy", {"name": "Mika"}),
    ("requestedBy", None),
    ("fingerprint", "b" * 64),
    ("fingerprint", None),
    ("concurrencyGroup", "h"),
    ("concurrencyGroup", None),
    ("concurrencyPolicy", "replace"),
    ("concurrencyPolicy", None),
    ("concurrencyPlace", 11),
    ("concurrencyPlace", None),
    ("queueSeconds", 11),
    ("jobSeconds", 11),
    ("ttlSecondsAfterFinished", 200_001),
    ("ttlSecondsAfterFinished", None),
    ("notify", {"slack": {"channel": "C2"}}),
    ("notify", {"slack": {"teamId": None}}),
    ("notify", {"slack": {"when": "failure"}}),
    ("notify", None),
]
ADDITIONS = [
    "trigger",
    "ref",
    "params",
    "fingerprint",
    "concurrencyGroup",
    "concurrencyPolicy",
    "concurrencyPlace",
    "notify",
]


async def made(door: Door, spec: dict[str, Any]) -> str:
    return str((await door.create("DeployJob", spec))["metadata"]["name"])


def test_a_change_of_every_field_is_tried() -> None:
    fields = schema_of(definitions()["DeployJob"])["properties"]["spec"]["properties"].keys()
    assert {name for name, _ in CHANGES} == FULL.keys() == fields - {"cancel"}


@pytest.mark.parametrize(("name", "value"), CHANGES, ids=lambda value: str(value)[:24])
async def test_no_field_can_be_changed(door: Door, name: str, value: Any) -> None:
    job = await made(door, FULL)
    with pytest.raises(InvalidError) as caught:
        await door.patch("DeployJob", job, {"spec": {name: value}})
    assert "the spec of a DeployJob is immutable but for cancel" in refusal(caught)


@pytest.mark.parametrize("name", ADDITIONS)
async def test_no_field_can_be_added(door: Door, name: str) -> None:
    job = await made(door, {"agent": "web", "workflow": "deploy"})
    with pytest.raises(InvalidError) as caught:
        await door.patch("DeployJob", job, {"spec": {name: FULL[name]}})
    assert "the spec of a DeployJob is immutable but for cancel" in refusal(caught)


@pytest.mark.parametrize("params", [{}, {"a": 1.5, "b": 2**53 + 1, "c": 1e300}, {"": None, "d": {"e": [None]}}])
async def test_cancel_and_status_pass_whatever_the_params_are(door: Door, params: dict[str, Any]) -> None:
    job = await made(door, FULL | {"params": params})
    await door.patch("DeployJob", job, {"spec": {"cancel": {"by": "olga"}}})
    await door.patch("DeployJob", job, {"status": {"phase": "Running"}}, status=True)
    loaded = await door.load("DeployJob", job)
    assert isinstance(loaded, DeployJob)
    assert loaded.spec.cancel is not None
    assert (loaded.spec.cancel.by, loaded.spec.cancel.reason) == ("olga", "cancelled")
    assert loaded.status.phase == "Running"


async def test_a_job_begins_queued_whatever_its_maker_says(door: Door) -> None:
    stored = await door.create("DeployJob", FULL, status={"phase": "Succeeded", "exitCode": 0})
    assert stored["status"] == {"phase": "Queued"}


async def test_a_write_of_the_object_cannot_touch_its_status(door: Door) -> None:
    job = await made(door, FULL)
    await door.patch("DeployJob", job, {"status": {"phase": "Succeeded"}})
    loaded = await door.load("DeployJob", job)
    assert isinstance(loaded, DeployJob)
    assert loaded.status.phase == "Queued"


async def test_a_write_of_the_status_cannot_touch_the_spec(door: Door) -> None:
    job = await made(door, FULL)
    await door.patch("DeployJob", job, {"spec": {"cancel": {"by": "x"}}, "status": {"phase": "Running"}}, status=True)
    loaded = await door.load("DeployJob", job)
    assert isinstance(loaded, DeployJob)
    assert (loaded.spec.cancel, loaded.status.phase) == (None, "Running")


async def test_a_spec_of_a_megabyte_of_refs_is_refused(door: Door) -> None:
    with pytest.raises(InvalidError) as caught:
        await door.create("DeployJob", FULL | {"ref": "a" * 1_000_000})
    assert "spec.ref: Too long" in refusal(caught)
