"""Failpoints and tests of faults are in the tables of docs/reliability.md, and everything there is in the code."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("agent", "apiserver", "operator", "deplite")


def test_the_table_of_failpoints_is_true() -> None:
    code = [path.read_text() for part in PARTS for path in (ROOT / part).rglob("*.py")]
    places = [place for text in code for place in re.findall(r'failpoint\("([a-z_.]+)"\)', text)]
    assert len(places) == len(set(places)), "a name is a place"
    page = (ROOT / "docs" / "reliability.md").read_text()
    assert sorted(re.findall(r"^\| `([a-z_]+\.[a-z_.]+)` \| ", page, re.MULTILINE)) == sorted(places)


def test_each_file_of_faults_is_on_the_page() -> None:
    files = {path.name for path in (ROOT / "tests" / "faults").glob("test_*.py")}
    page = (ROOT / "docs" / "reliability.md").read_text()
    assert [name for name in sorted(files) if name not in page] == []
