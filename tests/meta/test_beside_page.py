"""docs/beside-cert-manager.md: each row says who holds it, each test that it names exists, each value is there."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "beside-cert-manager.md").read_text()
SCHEMA = json.loads((ROOT / "charts" / "deplite" / "values.schema.json").read_text())
ROWS = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in PAGE.splitlines() if line.startswith("| ")]
BODY = [row for row in ROWS if row[0] and row[0] != "|" and row[-1] != "held by"]


def test_the_page_is_read() -> None:
    assert len(BODY) > 70


@pytest.mark.parametrize("row", BODY, ids=lambda row: row[0])
def test_each_row_says_all_four_and_who_holds_it(row: list[str]) -> None:
    assert len(row) == 4, row
    _, theirs, ours, held = row
    assert theirs
    assert ours
    none_to_hold = ours.startswith(("does not apply", "none"))
    assert bool(held) or none_to_hold, ours


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`(tests/[^`]+)`", PAGE)
    assert [path for path in named if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("value", sorted(set(re.findall(r"`(pods\.[A-Za-z]+)", PAGE))))
def test_every_value_of_pods_that_is_named_is_one(value: str) -> None:
    assert value.removeprefix("pods.") in SCHEMA["definitions"]["pod"]["properties"]
