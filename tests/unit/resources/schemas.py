"""Reads the CRDs and the models in one and the same form, so that they can be compared and walked."""

from collections.abc import Iterator
from typing import Any

import yaml

from deplite import assets
from deplite.resources import Resource

Schema = dict[str, Any]

BOUNDS = (
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "minimum",
    "maximum",
    "maxProperties",
    "format",
)


def definitions() -> dict[str, Schema]:
    """Return the CRDs by kind."""
    found = [yaml.safe_load(path.read_text()) for path in sorted(assets.crds().glob("*.yaml"))]
    return {definition["spec"]["names"]["kind"]: definition for definition in found}


def version_of(definition: Schema) -> Schema:
    """Return the one version of a CRD."""
    (version,) = definition["spec"]["versions"]
    return dict(version)


def schema_of(definition: Schema) -> Schema:
    """Return the schema of a CRD's one version."""
    return dict(version_of(definition)["schema"]["openAPIV3Schema"])


def walk(node: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Yield every part of a CRD's schema with its path; `[]` stands for items and `{}` for the values of a map."""
    yield path, node
    for name, part in node.get("properties", {}).items():
        yield from walk(part, f"{path}.{name}")
    if "items" in node:
        yield from walk(node["items"], f"{path}[]")
    if isinstance(node.get("additionalProperties"), dict):
        yield from walk(node["additionalProperties"], f"{path}{{}}")


def model_schema(kind: type[Resource]) -> Schema:
    """Return what a model takes, as a JSON schema without references, `null` and `const`."""
    whole = kind.model_json_schema(by_alias=True, mode="validation")
    return dict(_plain(whole, whole.get("$defs", {})))


def _plain(node: Any, shared: Schema) -> Any:
    if isinstance(node, list):
        return [_plain(item, shared) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = shared[node["$ref"].rsplit("/", 1)[-1]]
        return _plain(target | {key: value for key, value in node.items() if key != "$ref"}, shared)
    some = [option for option in node.get("anyOf", ()) if option != {"type": "null"}]
    if len(some) == 1:
        return _plain({key: value for key, value in node.items() if key != "anyOf"} | some[0], shared)
    plain = {key: _plain(value, shared) for key, value in node.items() if key != "$defs"}
    if "const" in plain:
        plain["enum"] = [plain.pop("const")]
    return plain


def disagreements(crd: Schema, model: Schema, path: str = "") -> Iterator[str]:
    """Yield what a CRD's schema and a model say differently of the same fields, recursively."""
    if "type" not in crd:
        return  # a value of any scalar type: the models take what it may be, and say so by a union
    yield from _different(path, "type", crd["type"], model.get("type"))
    yield from _different(path, "enum", sorted(crd.get("enum", ())), sorted(model.get("enum", ())))
    for bound in BOUNDS:
        if bound in model:
            yield from _different(path, bound, crd.get(bound), model[bound])
    if "properties" in crd and not crd.get("x-kubernetes-preserve-unknown-fields"):
        yield from _members(crd, model, path)
    elif crd["type"] == "object" and not model.get("additionalProperties"):
        yield f"{path}: the model of a map or a free object must be open"
    if "items" in crd:
        yield from disagreements(crd["items"], model.get("items", {}), f"{path}[]")
    if isinstance(crd.get("additionalProperties"), dict):
        yield from disagreements(crd["additionalProperties"], model.get("additionalProperties", {}), f"{path}{{}}")


def _members(crd: Schema, model: Schema, path: str) -> Iterator[str]:
    ours, theirs = crd["properties"], model.get("properties", {})
    yield from (f"{path}.{name}: not in the model" for name in ours.keys() - theirs.keys())
    yield from (f"{path}.{name}: not in the CRD" for name in theirs.keys() - ours.keys())
    yield from _different(path, "required", sorted(crd.get("required", ())), sorted(model.get("required", ())))
    for name in sorted(ours.keys() & theirs.keys()):
        yield from _defaults(ours[name], theirs[name], f"{path}.{name}")
        yield from disagreements(ours[name], theirs[name], f"{path}.{name}")


def _defaults(crd: Schema, model: Schema, path: str) -> Iterator[str]:
    """A default of a scalar in the CRD is the model's too: an object never stored reads like a stored one."""
    if "default" in crd and not isinstance(crd["default"], dict):
        yield from _different(path, "default", crd["default"], model.get("default"))


def _different(path: str, what: str, crd: Any, model: Any) -> Iterator[str]:
    if crd != model:
        yield f"{path}: {what} is {crd!r} in the CRD and {model!r} in the model"
