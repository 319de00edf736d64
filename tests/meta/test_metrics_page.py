"""docs/metrics.md lists every family that the code makes, and no other."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from deplite.metrics.instruments import Family
from deplite_apiserver.metrics.metrics import Metrics as ApiserverMetrics
from deplite_apiserver.metrics.readings import show as show_apiserver
from deplite_operator.metrics import Metrics as OperatorMetrics
from deplite_operator.readings import show as show_operator

PAGE = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
NOBODY = cast(Any, None)
"""Readings look at it at a scrape only."""


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    name: str
    type: str
    labels: tuple[str, ...]
    parts: str
    meaning: str

    def __str__(self) -> str:
        labels = ", ".join(f"`{label}`" for label in self.labels)
        return f"| `{self.name}` | {self.type} | {labels} | {self.parts} | {self.meaning} |"


def rows() -> list[Row]:
    """Return what the page says."""
    found = re.findall(
        r"^\| `(deplite_\w+)` \| (\w+) \| (.*?) \| ([a-z, ]+) \| (.*) \|$", PAGE.read_text(), re.MULTILINE
    )
    return [
        Row(name, type_, tuple(re.findall(r"`(\w+)`", labels)), parts, text)
        for name, type_, labels, parts, text in found
    ]


def made() -> list[Row]:
    """Return what the code makes."""
    apiserver, operator = ApiserverMetrics(), OperatorMetrics()
    show_apiserver(apiserver, NOBODY)
    show_operator(operator, NOBODY, NOBODY)
    families: dict[Family, list[str]] = {}
    for part, instruments in (("apiserver", apiserver), ("operator", operator)):
        for family in instruments.families:
            families.setdefault(family, []).append(part)
    return [Row(one.name, one.type, one.labels, ", ".join(parts), one.meaning) for one, parts in families.items()]


def test_the_table_is_what_the_code_makes() -> None:
    assert list(map(str, rows())) == list(map(str, made())), "the table of docs/metrics.md should be:\n" + "\n".join(
        map(str, made())
    )


def test_names_follow_the_conventions() -> None:
    for row in made():
        assert row.name.startswith("deplite_")
        assert row.name.endswith("_total") == (row.type == "counter"), row.name
        assert row.type != "histogram" or row.name.endswith("_seconds"), row.name


def test_alerts_name_families_that_exist() -> None:
    known = {row.name for row in made()}
    used = set(re.findall(r"deplite_\w+", "\n".join(re.findall(r"```promql\n(.*?)```", PAGE.read_text(), re.DOTALL))))
    assert used
    assert {re.sub(r"_(bucket|count|sum)$", "", name) for name in used} - known == set()
