"""Writes what in the chart is made from something else, so that nothing is kept twice by hand.

    python charts/generated.py        # write all of it; `make chart-files`

Kinds and rights are copied as they are, the schema of the values becomes JSON, and the table of values in docs/helm.md
is written from schema and values. A test compares.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "charts" / "deplite"
PAGE = ROOT / "docs" / "helm.md"
BEGIN, END = "<!-- values: written by `make chart-files` -->", "<!-- end of values -->"


def files() -> dict[Path, str]:
    """Return the content of every generated file, by its path."""
    copies = {
        CHART / "files" / "crds" / path.name: path.read_text() for path in sorted((ROOT / "crds").glob("*.yaml"))
    } | {
        CHART / "files" / "rights" / path.name: path.read_text()
        for path in sorted((ROOT / "deplite" / "rights").glob("*.yaml"))
    }
    schema = yaml.safe_load((CHART / "values.schema.yaml").read_text())
    return copies | {
        CHART / "values.schema.json": json.dumps(schema, indent=1, ensure_ascii=False) + "\n",
        PAGE: _page(schema),
    }


def _page(schema: Mapping[str, Any]) -> str:
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    rows = [f"| `{name}` | {default} | {meaning} |" for name, default, meaning in _rows("", schema, values, schema)]
    table = "\n".join(["| value | default | what it says |", "|---|---|---|", *rows])
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


def _rows(path: str, node: Mapping[str, Any], value: Any, root: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield name, default and meaning of each value below a node, in the order of the schema."""
    for name, raw in node["properties"].items():
        if (inner := f"{path}{name}") == "global":
            continue
        found = resolved(raw, root)
        held = value[name]
        if "properties" in found and "description" not in found:
            yield from _rows(f"{inner}.", found, held, root)
        else:
            yield inner, _shown(held), found["description"].replace("|", "\\|")
            if _described(items := found.get("items", {}), root):
                yield from _rows(f"{inner}[].", items, _Absent(), root)


def _described(items: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    members = [resolved(member, root) for member in items.get("properties", {}).values()]
    return bool(members) and all("description" in member for member in members)


class _Absent(dict[str, Any]):
    """The values of an item that is not there."""

    def __missing__(self, key: str) -> None:
        return None


def resolved(node: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    """Return a node with what it refers to; what it says itself goes first."""
    found = dict(node)
    while "$ref" in found:
        named = root["definitions"][found.pop("$ref").rpartition("/")[2]]
        found = {**named, **found}
    return found


def _shown(value: Any) -> str:
    return "" if value in (None, "") else f"`{json.dumps(value, ensure_ascii=False)}`"


def main() -> None:
    """Write them all."""
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
