"""Whatever the API server lets in can be read: one bad object must not blind a part to it, or to its neighbours."""

from typing import Any

import pytest

from deplite.kube.errors import InvalidError
from deplite.resources import KINDS, Agent, DeployJob, EnrollmentToken, Resource, Trigger
from tests.kube.resources.conftest import Door
from tests.kube.resources.extremes import DEFINITIONS, spec_of


@pytest.mark.parametrize("kind", sorted(DEFINITIONS))
async def test_unknown_fields_are_dropped_without_a_word_where_the_caller_is_lax(door: Door, kind: str) -> None:
    spec = spec_of(kind, most=False) | {"unheardOf": {"a": 1}}
    stored = await door.create(kind, spec, strict=False, unheardOf=1)
    assert "unheardOf" not in stored
    assert "unheardOf" not in stored.get("spec", {})
    assert (await door.load(kind, stored["metadata"]["name"])).name == stored["metadata"]["name"]
    await door.remove(kind, stored["metadata"]["name"])


@pytest.mark.parametrize(
    "moment",
    [
        "0000-01-01T00:00:00Z",
        "0999-01-01T00:00:00Z",
        "2027-01-01T00:00:00+99:99",
        "2027-01-01T00:00:00X5Z",
        "2027-01-01t00:00:00z",
        "2027-01-01T00:00:00.1234567891Z",
        "2027-01-01",
        "tomorrow",
    ],
)
async def test_a_moment_that_nobody_can_read_is_refused(door: Door, moment: str) -> None:
    with pytest.raises(InvalidError, match=r"spec\.expiresAt"):
        await door.create("EnrollmentToken", {"expiresAt": moment})


@pytest.mark.parametrize(
    "moment",
    [
        "1000-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "2027-02-28T23:59:59.999999999+14:00",
        "2000-02-29T00:00:00Z",
    ],
)
async def test_every_other_moment_is_loaded_and_can_be_compared(door: Door, moment: str) -> None:
    name = (await door.create("EnrollmentToken", {"expiresAt": moment}))["metadata"]["name"]
    loaded = await door.load("EnrollmentToken", name)
    assert isinstance(loaded, EnrollmentToken)
    assert loaded.spec.expires_at is not None
    assert loaded.metadata.creation_timestamp is not None
    assert (loaded.spec.expires_at > loaded.metadata.creation_timestamp) is (moment[:4] in ("9999", "2027"))
    assert loaded.wire()["spec"]["expiresAt"].endswith("Z")


@pytest.mark.parametrize("value", [[], [1], {}, {"a": 1}, "x" * 4097])
async def test_a_trigger_takes_scalars_for_params_and_nothing_else(door: Door, value: Any) -> None:
    with pytest.raises(InvalidError, match=r"spec\.params"):
        await door.create("Trigger", {"agent": "web", "workflow": "w", "params": {"a": value}})


async def test_params_of_every_scalar_type_are_loaded_as_they_are(door: Door) -> None:
    params = {"text": "x" * 4096, "int": 2**53, "fraction": 1.5, "true": True, "zero": 0, "empty": ""}
    name = (await door.create("Trigger", {"agent": "web", "workflow": "w", "params": params}))["metadata"]["name"]
    loaded = await door.load("Trigger", name)
    assert isinstance(loaded, Trigger)
    assert loaded.spec.params == params
    assert {key: type(value) for key, value in loaded.spec.params.items()} == {k: type(v) for k, v in params.items()}


async def test_a_job_with_params_that_are_no_scalars_is_loaded(door: Door) -> None:
    params: dict[str, Any] = {"list": [1, {"a": None}], "object": {"a": {}}, "null": None, "huge": 1e300}
    name = (await door.create("DeployJob", {"agent": "web", "workflow": "w", "params": params}))["metadata"]["name"]
    loaded = await door.load("DeployJob", name)
    assert isinstance(loaded, DeployJob)
    assert loaded.spec.params == {"list": '[1, {"a": null}]', "object": '{"a": {}}', "null": "null", "huge": 1e300}


async def test_reported_workflows_of_any_form_are_loaded(door: Door) -> None:
    name = (await door.create("Agent", {}))["metadata"]["name"]
    workflows: list[dict[str, Any]] = [
        {"name": "a", "params": "no list", "steps": {"deep": [None]}},
        {"name": "b" * 128, "": 1.5},
    ]
    await door.patch("Agent", name, {"status": {"workflows": workflows}}, status=True)
    loaded = await door.load("Agent", name)
    assert isinstance(loaded, Agent)
    assert list(loaded.status.workflows) == workflows
    assert loaded.workflow("a") == workflows[0]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.KIND)
async def test_a_list_with_extreme_objects_is_loaded(door: Door, kind: type[Resource]) -> None:
    made = [(await door.create(kind.KIND, spec_of(kind.KIND, most=True)))["metadata"]["name"]]
    assert set(made) <= {item.name for item in await door.kube.list(kind, door.namespace)}
    await door.remove(kind.KIND, made[0])
