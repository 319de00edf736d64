"""Builds objects from the CRDs themselves: the least and the most that a schema takes, and one field broken by one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.unit.resources.schemas import Schema, definitions, schema_of, walk

DEFINITIONS = definitions()

_MOST = {
    "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$": "a" + "-." * 125 + "-z",
    "^[A-Za-z0-9][A-Za-z0-9._-]*$": "W" + "._-" * 42 + "Z",
    "^(trigger/)?[A-Za-z0-9][A-Za-z0-9._-]*$": "trigger/W" + "._-" * 97,
    "^[0-9a-f]{64}$": "f" * 64,
    "^[0-9a-f]{8}$": "f" * 8,
    "^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$": "FFFF:" * 7 + "ABCD/128",
    "^T[A-Z0-9]{1,20}$": "T" + "Z9" * 10,
    "^[UW][A-Z0-9]{1,20}$": "U" + "Z9" * 10,
    "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$": "W" + "._-" * 20 + "-Z",
    r"^(#[^\s#<>&|]{1,80}|[CDGUW][A-Z0-9]{1,20})$": "#" + "d\N{GRINNING FACE}" * 40,
    r"^[A-Za-z0-9][^\s]*$": "i/" * 256,
    "^[0-9]{1,15}(\\.[0-9]{1,9})?(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$": "9" * 15 + "." + "9" * 9 + "Ei",
    "^([1-9][0-9]?|100)%$": "100%",
}
"""For each pattern of the schemas, a longest text that matches it, also where it is cut to fit."""
_LEAST = {pattern: text[:2] if text.startswith("FF") else text[:1] for pattern, text in _MOST.items()} | {
    "^[0-9a-f]{64}$": "0" * 64,
    "^[0-9a-f]{8}$": "0" * 8,
    "^T[A-Z0-9]{1,20}$": "T0",
    "^[UW][A-Z0-9]{1,20}$": "U0",
    r"^(#[^\s#<>&|]{1,80}|[CDGUW][A-Z0-9]{1,20})$": "#d",
}
_ODD = "\N{GRINNING FACE}\N{RIGHT-TO-LEFT OVERRIDE}\n<&>\u2028\t\x00'\"\\"
_MARK = "a." * 94 + "b/W" + "._-" * 20 + "-Z"
"""The longest key of a label or an annotation."""

_RULES: dict[tuple[str, bool], dict[str, Any]] = {
    ("Trigger", True): {"scope": "workflow"},
    ("Trigger", False): {"workflow": "w"},
    ("ApiToken", False): {"grants": [{"type": "agent", "agents": ["a"]}]},
}
"""What the rules across fields demand of the most and the least that a spec can hold."""


def spec_of(kind: str, *, most: bool) -> Any:
    """Return the largest or the smallest spec that a kind takes (lists and maps have one entry)."""
    return _value(schema_of(DEFINITIONS[kind])["properties"]["spec"], most) | _RULES.get((kind, most), {})


def status_of(kind: str, *, most: bool) -> Any:
    """Return the largest or the smallest status that a kind takes."""
    return _value(schema_of(DEFINITIONS[kind])["properties"]["status"], most)


def _value(node: Schema, most: bool) -> Any:
    match node.get("type"):
        case "object":
            return _object(node, most)
        case "array":
            return [_value(node["items"], most)] if most or node.get("minItems") else []
        case "string":
            return _text(node, most)
        case "integer":
            return node.get("maximum", 2**63 - 1) if most else node.get("minimum", -(2**63))
        case "boolean":
            return most
    if node.get("x-kubernetes-int-or-string"):
        return _MOST[node["pattern"]] if most else node["minimum"]
    return _ODD


def _object(node: Schema, most: bool) -> Any:
    if "properties" not in node:
        value = node.get("additionalProperties")
        if value is None:  # free: whatever JSON has
            return {_ODD: {"a": [None, 1.5, 2**53 + 1, {"deep": []}]}, "": None} if most else {}
        return {_MARK if "x-kubernetes-validations" in node else _ODD: _value(value, most)} if most else {}
    names = node["properties"] if most else node.get("required", ())
    return {name: _value(node["properties"][name], most) for name in names}


def _text(node: Schema, most: bool) -> str:
    if "enum" in node:
        return str(node["enum"][-1 if most else 0])
    if node.get("format") == "date-time":
        return "9999-12-31T23:59:59.999999999-23:59" if most else "1000-01-01T00:00:00+23:59"
    if "pattern" in node:
        return (_MOST if most else _LEAST)[str(node["pattern"])][: node.get("maxLength")]
    if most:
        return (_ODD * int(node["maxLength"]))[: node["maxLength"]]
    return "x" * int(node.get("minLength", 0))


@dataclass(frozen=True)
class Breach:
    """One field of a schema, broken in one way, and what the API server says of it."""

    kind: str
    part: str
    path: str
    bound: str
    complaint: str
    break_: Callable[[Any], Any]

    def __str__(self) -> str:
        return f"{self.kind}{self.path}-{self.bound}"

    @property
    def place(self) -> str:
        """Where the API server says that it is wrong."""
        return self.path.removeprefix(".").replace("[]", "[0]").split("{}")[0]

    def apply(self) -> Any:
        """Return the whole spec or status with that one field broken."""
        whole = {self.part: spec_of(self.kind, most=True) if self.part == "spec" else status_of(self.kind, most=True)}
        holder, key = _reach(whole, self.path)
        holder[key] = self.break_(holder[key])
        return whole[self.part]


def _reach(whole: Any, path: str) -> tuple[Any, Any]:
    holder, key = whole, None
    for name in path.strip(".").replace("[]", ".[]").replace("{}", ".{}").split("."):
        holder = whole
        key = 0 if name == "[]" else next(iter(whole)) if name == "{}" else name
        whole = whole[key]
    return holder, key


def breaches(part: str) -> Iterator[Breach]:
    """Yield every bound of every spec or status, broken by one."""
    for kind, definition in DEFINITIONS.items():
        for path, node in walk(schema_of(definition)["properties"][part], f".{part}"):
            for bound, complaint, break_ in _ways(node):
                yield Breach(kind, part, path, bound, complaint, break_)


Way = tuple[str, str, Callable[[Any], Any]]
"""Which bound, the complaint, and what makes a broken value of a good one."""


def _ways(node: Schema) -> Iterator[Way]:
    kind = node.get("type")
    if kind is not None:
        wrong: Any = [] if kind == "object" else {}
        yield "type", f"must be of type {node.get('format', kind)}", lambda _: wrong
    match kind:
        case "integer":
            yield from _number_ways(node)
        case "array":
            yield from _list_ways(node)
        case "object":
            yield from _object_ways(node)
        case "string" | None:
            yield from _text_ways(node)
    if node.get("x-kubernetes-int-or-string"):
        yield from _end_ways(node)


def _text_ways(node: Schema) -> Iterator[Way]:
    if "enum" in node:
        yield "enum", "Unsupported value", lambda _: "Nonsense"
    if "maxLength" in node:
        yield "maxLength", "Too long", lambda _: "0" * (node["maxLength"] + 1)
    if "minLength" in node:
        yield "minLength", "chars long", lambda _: "0" * (node["minLength"] - 1)
    if "pattern" in node:
        yield "pattern", "should match", lambda value: "!" + value[1:]
    if node.get("format") == "date-time":
        yield "format", "date-time", lambda _: "2026-02-30T00:00:00Z"


def _number_ways(node: Schema) -> Iterator[Way]:
    yield "format", "int64", lambda _: 2**63
    yield from _end_ways(node)


def _end_ways(node: Schema) -> Iterator[Way]:
    if "maximum" in node:
        yield "maximum", "should be less than or equal to", lambda _: node["maximum"] + 1
    if "minimum" in node:
        yield "minimum", "should be greater than or equal to", lambda _: node["minimum"] - 1


def _list_ways(node: Schema) -> Iterator[Way]:
    most = node["maxItems"]
    yield "maxItems", f"must have at most {most} items", lambda _: [_value(node["items"], False)] * (most + 1)
    if node.get("minItems"):
        yield "minItems", "at least", lambda _: []


def _object_ways(node: Schema) -> Iterator[Way]:
    if "maxProperties" in node:
        most = node["maxProperties"]
        yield (
            "maxProperties",
            f"must have at most {most} items",
            lambda _: {str(n): "x" for n in range(most + 1)},
        )
    if "properties" in node and not node.get("x-kubernetes-preserve-unknown-fields"):
        yield "unknown field", "unknown field", lambda value: value | {"unheardOf": 1}
    for name in node.get("required", ()):
        yield f"required {name}", "Required value", partial(_without, name)


def _without(name: str, value: dict[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key != name}
