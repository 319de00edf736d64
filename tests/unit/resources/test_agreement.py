"""Each CRD and its typed model say the same: fields, required ones, enums, bounds, defaults. Neither is generated."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from deplite.resources import KINDS, DeployJob, Resource
from tests.unit.resources.schemas import Schema, definitions, disagreements, model_schema, schema_of, walk

DEFINITIONS = definitions()
SPEC, STATUS = ("properties", "spec"), ("properties", "status")


def test_every_kind_has_a_definition_and_the_other_way_round() -> None:
    assert {kind.KIND: kind.PLURAL for kind in KINDS} == {
        name: definition["spec"]["names"]["plural"] for name, definition in DEFINITIONS.items()
    }


@pytest.mark.parametrize("part", ["spec", "status"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.KIND)
def test_definition_and_model_agree(kind: type[Resource], part: str) -> None:
    crd, model = schema_of(DEFINITIONS[kind.KIND])["properties"][part], model_schema(kind)["properties"][part]
    assert list(disagreements(crd, model, part)) == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.KIND)
def test_a_spec_is_required_by_both_or_by_neither(kind: type[Resource]) -> None:
    required = "spec" in schema_of(DEFINITIONS[kind.KIND]).get("required", ())
    assert required is ("spec" in model_schema(kind).get("required", ()))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.KIND)
def test_what_must_be_there_has_a_default_nowhere(kind: type[Resource]) -> None:
    found = [
        f"{path}.{name}"
        for path, node in walk(schema_of(DEFINITIONS[kind.KIND]))
        for name in node.get("required", ())
        if "default" in node["properties"][name]
    ]
    assert found == []


def _at(schema: Schema, *steps: str) -> Any:
    for step in steps:
        schema = schema[step]
    return schema


MISTAKES: dict[str, Callable[[Schema], Any]] = {
    "a field that the model lacks": lambda spec: spec["properties"].update(extra={"type": "string"}),
    "a field that the CRD lacks": lambda spec: spec["properties"].pop("ref"),
    "another bound": lambda spec: spec["properties"]["ref"].update(maxLength=256),
    "no bound": lambda spec: spec["properties"]["ref"].pop("maxLength"),
    "another pattern": lambda spec: spec["properties"]["workflow"].update(pattern="^.*$"),
    "another enum": lambda spec: _at(spec, "properties", "requestedBy", "properties", "kind")["enum"].append("x"),
    "another default": lambda spec: spec["properties"]["queueSeconds"].update(default=901),
    "another type": lambda spec: spec["properties"]["debug"].update(type="string"),
    "more required": lambda spec: spec["required"].append("ref"),
    "a deep field that the CRD lacks": lambda spec: spec["properties"]["cancel"]["properties"].pop("reason"),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES.keys())
def test_the_comparison_finds(mistake: Callable[[Schema], Any]) -> None:
    crd = copy.deepcopy(_at(schema_of(DEFINITIONS["DeployJob"]), *SPEC))
    mistake(crd)
    assert len(list(disagreements(crd, _at(model_schema(DeployJob), *SPEC)))) == 1
