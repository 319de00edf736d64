"""The document as a list of operations in plain words: what the page and docs/api.md both show."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A parameter or a member: its name, what may stand there, and why."""

    name: str
    type: str
    note: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A status, its description, and examples as JSON text."""

    status: str
    description: str
    examples: tuple[str, ...]
    error: bool


@dataclass(frozen=True, kw_only=True)
class Operation:
    """A route."""

    tag: str
    method: str
    path: str
    id: str
    summary: str
    description: str
    parameters: tuple[Row, ...]
    body: tuple[Row, ...] | None
    """The members; None: it takes no body."""
    body_example: str | None
    form: bool
    """Whether the body is a form, and no JSON."""
    answers: tuple[Answer, ...]


def operations(document: Json) -> Iterator[Operation]:
    """Return the operations of a document, by tag and then in their order."""
    schemas = document["components"]["schemas"]
    found = [
        _operation(schemas, method.upper(), path, said)
        for path, methods in document["paths"].items()
        for method, said in methods.items()
    ]
    tags = list(dict.fromkeys(one.tag for one in found))
    yield from sorted(found, key=lambda one: tags.index(one.tag))


def _operation(schemas: Json, method: str, path: str, said: Json) -> Operation:
    media, content = next(iter(said.get("requestBody", {}).get("content", {}).items()), ("", None))
    return Operation(
        tag=said["tags"][0],
        method=method,
        path=path,
        id=said["operationId"],
        summary=said["summary"],
        description=said["description"],
        parameters=tuple(_parameter(schemas, one) for one in said.get("parameters", ())),
        body=None if content is None else tuple(_members(schemas, content["schema"])),
        body_example=None if content is None else _text(content["example"]),
        form=media == "application/x-www-form-urlencoded",
        answers=tuple(_answer(status, one) for status, one in said["responses"].items()),
    )


def _parameter(schemas: Json, said: Json) -> Row:
    needed = "" if said["required"] else ", optional"
    note = said.get("description", "")
    return Row(name=said["name"], type=f"{said['in']}{needed}: {type_of(schemas, said['schema'])}", note=note)


def _members(schemas: Json, schema: Json) -> Iterator[Row]:
    model = _resolved(schemas, schema)
    required = model.get("required", ())
    for name, said in model.get("properties", {}).items():
        needed = "" if name in required else ", optional"
        yield Row(name=name, type=type_of(schemas, said) + needed, note=said.get("description", ""))


def _answer(status: str, said: Json) -> Answer:
    content = said.get("content", {})
    shown = content.get("application/json", {})
    examples = (
        [shown["example"]] if "example" in shown else [one["value"] for one in shown.get("examples", {}).values()]
    )
    other = ", ".join(f"`{kind}`" for kind in content if kind != "application/json")
    description = said["description"]
    if other:
        description += f" Or as {other}." if shown else f" As {other}."
    error = bool(examples) and "statusCode" in examples[0]
    return Answer(status=status, description=description, examples=tuple(map(_text, examples)), error=error)


def _resolved(schemas: Json, schema: Json) -> Json:
    found: Json = schemas[schema["$ref"].rsplit("/", 1)[-1]] if "$ref" in schema else schema
    return found


def type_of(schemas: Json, schema: Json) -> str:
    """Return what a schema allows, in one short line."""
    if "$ref" in schema:
        found = _resolved(schemas, schema)
        return str(schema["$ref"].rsplit("/", 1)[-1]) if "properties" in found else type_of(schemas, found)
    if choices := schema.get("anyOf", schema.get("oneOf")):
        return " or ".join(dict.fromkeys(type_of(schemas, one) for one in choices))
    if "enum" in schema:
        return ", ".join(json.dumps(one) for one in schema["enum"])
    if "const" in schema:
        return json.dumps(schema["const"])
    if schema.get("type") == "array":
        return f"array of {type_of(schemas, schema.get('items', {}))}{_bounds(schema)}"
    return f"{schema.get('format', schema.get('type', 'anything'))}{_bounds(schema)}"


_BOUNDS = {
    "pattern": "matches `{}`",
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "minLength": "≥ {} characters",
    "maxLength": "≤ {} characters",
    "minItems": "≥ {} items",
    "maxItems": "≤ {} items",
    "default": "default {}",
}


def _bounds(schema: Json) -> str:
    said = [
        words.format(json.dumps(schema[name]) if name == "default" else schema[name])
        for name, words in _BOUNDS.items()
        if schema.get(name) is not None
    ]
    return f" ({', '.join(said)})" if said else ""


def _text(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
