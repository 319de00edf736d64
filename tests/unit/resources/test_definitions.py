"""The CRDs keep the house rules: everything bounded and described, conditions and columns as Kubernetes has them."""

import re
from typing import Any

import pytest

from deplite import assets
from deplite.resources.resource import GROUP, VERSION
from tests.unit.resources.schemas import Schema, definitions, schema_of, version_of, walk

DEFINITIONS = definitions()
MAX_FILE_BYTES = 64 * 1024
TIME_PATTERN = (
    r"^[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
"""The API server's own check of `date-time` passes the year 0, an offset of 99 hours and `12:00:00X5Z`."""

every_kind = pytest.mark.parametrize("kind", sorted(DEFINITIONS))


def nodes(kind: str) -> list[tuple[str, Schema]]:
    """Return all parts of a kind's schema below spec and status."""
    return [(path, node) for path, node in walk(schema_of(DEFINITIONS[kind])) if path.startswith((".spec", ".status"))]


@every_kind
def test_the_file_is_named_as_the_definition_and_small(kind: str) -> None:
    path = assets.crds() / f"{DEFINITIONS[kind]['metadata']['name']}.yaml"
    assert path.stat().st_size < MAX_FILE_BYTES


@every_kind
def test_group_scope_version_and_category(kind: str) -> None:
    spec, version = DEFINITIONS[kind]["spec"], version_of(DEFINITIONS[kind])
    assert (spec["group"], spec["scope"], version["name"]) == (GROUP, "Namespaced", VERSION)
    assert (version["served"], version["storage"], version["subresources"]) == (True, True, {"status": {}})
    assert spec["names"]["categories"] == ["deplite"]
    assert DEFINITIONS[kind]["metadata"]["name"] == f"{spec['names']['plural']}.{GROUP}"


def test_short_names_are_unique() -> None:
    names = [name for definition in DEFINITIONS.values() for name in definition["spec"]["names"]["shortNames"]]
    assert len(names) == len(set(names)) == len(DEFINITIONS)


@every_kind
def test_everything_is_described(kind: str) -> None:
    schema = schema_of(DEFINITIONS[kind])
    named = [
        (f"{path}.{name}", part) for path, node in walk(schema) for name, part in node.get("properties", {}).items()
    ]
    named += [("", schema)] + [(path, node) for path, node in nodes(kind) if node.get("type") == "object"]
    assert [path for path, node in named if path != ".metadata" and not node.get("description")] == []


def _bounded(node: Schema) -> bool:
    match node.get("type"):
        case "string" if node.get("format") == "date-time":
            return bool(node.get("pattern") == TIME_PATTERN)
        case "string":
            return "maxLength" in node or "enum" in node
        case "array":
            return "maxItems" in node
        case "object" if "properties" not in node:
            return "maxProperties" in node
        case None if node.get("x-kubernetes-int-or-string"):
            return {"minimum", "maximum", "maxLength", "pattern"} <= node.keys()
        case None:
            return "maxLength" in node and node.get("maxItems") == 0 == node.get("maxProperties")
    return True


@every_kind
def test_everything_is_bounded(kind: str) -> None:
    assert [path for path, node in nodes(kind) if not _bounded(node)] == []


@every_kind
def test_every_number_that_people_write_has_both_ends(kind: str) -> None:
    numbers = [(path, node) for path, node in nodes(kind) if node.get("type") == "integer" and path.startswith(".spec")]
    assert [path for path, node in numbers if not {"minimum", "maximum"} <= node.keys()] == []


@every_kind
def test_every_list_says_how_it_is_merged(kind: str) -> None:
    lists = {path: node.get("x-kubernetes-list-type") for path, node in nodes(kind) if node.get("type") == "array"}
    assert set(lists.values()) <= {"map", "set", "atomic"}


@every_kind
def test_conditions_follow_the_conventions(kind: str) -> None:
    conditions = schema_of(DEFINITIONS[kind])["properties"]["status"]["properties"]["conditions"]
    assert (conditions["x-kubernetes-list-type"], conditions["x-kubernetes-list-map-keys"]) == ("map", ["type"])
    assert set(conditions["items"]["required"]) == {"type", "status", "reason", "lastTransitionTime"}
    assert conditions["items"]["properties"]["status"]["enum"] == ["True", "False", "Unknown"]


@every_kind
def test_every_rule_says_what_is_wrong(kind: str) -> None:
    rules = [
        rule for _, node in walk(schema_of(DEFINITIONS[kind])) for rule in node.get("x-kubernetes-validations", ())
    ]
    assert [rule["rule"] for rule in rules if not rule.get("message")] == []


def field_at(schema: Schema, path: str) -> Any:
    """Return the part of a schema that a JSON path of a column or a selector points at; KeyError where none does."""
    for name, lookup in re.findall(r"\.([A-Za-z]+)((?:\[[^]]*\])?)", path):
        if name == "creationTimestamp":
            return {"type": "string", "format": "date-time"}
        schema = schema.get("properties", {"creationTimestamp": {}} if name == "metadata" else {})[name]
        schema = schema["items"] if lookup else schema
    return schema


@every_kind
def test_columns_show_fields_that_exist_in_their_type(kind: str) -> None:
    columns = version_of(DEFINITIONS[kind])["additionalPrinterColumns"]
    schema = schema_of(DEFINITIONS[kind])
    for column in columns:
        field = field_at(schema, column["jsonPath"])
        fits = field.get("format") == "date-time" if column["type"] == "date" else field["type"] == column["type"]
        assert fits, column
    assert len({column["name"] for column in columns}) == len(columns)
    assert columns[-1]["name"] == "Age"


@every_kind
def test_selectable_fields_exist_and_are_scalars(kind: str) -> None:
    for selectable in version_of(DEFINITIONS[kind]).get("selectableFields", ()):
        assert field_at(schema_of(DEFINITIONS[kind]), selectable["jsonPath"])["type"] in {
            "string",
            "integer",
            "boolean",
        }


def test_jobs_are_selected_by_phase_trigger_and_agent() -> None:
    fields = {selectable["jsonPath"] for selectable in version_of(DEFINITIONS["DeployJob"])["selectableFields"]}
    assert fields == {".status.phase", ".spec.trigger", ".spec.agent"}


@pytest.mark.parametrize("path", [".spec.nowhere", ".status.conditions[0].nowhere", ".spec.ref.deeper"])
def test_a_path_that_leads_nowhere_is_found_out(path: str) -> None:
    with pytest.raises(KeyError):
        field_at(schema_of(DEFINITIONS["DeployJob"]), path)
