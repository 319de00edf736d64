"""The house rules that no linter knows."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("deplite", "operator", "apiserver", "agent", "charts", "tests", "bench")
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}


def sources() -> list[Path]:
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def test_there_are_sources_to_look_at() -> None:
    assert len(sources()) > 50


def test_no_file_is_too_long() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources()}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def test_no_function_is_too_long() -> None:
    found = {
        f"{path.relative_to(ROOT)}:{name}": lines
        for path in sources()
        for name, lines in functions(path)
        if lines > MAX_FUNCTION_LINES
    }
    assert found == {}


def test_modules_are_named_by_a_noun() -> None:
    assert [path for path in sources() if path.stem in FORBIDDEN_NAMES] == []


def test_no_operator_folder_shadows_the_standard_library() -> None:
    assert [path for path in ROOT.rglob("operator/__init__.py") if ".venv" not in path.parts] == []


@pytest.mark.parametrize("readme", ["README.md", "README.ko.md"])
def test_every_make_target_of_the_readme_exists(readme: str) -> None:
    named = set(
        re.findall(
            r"\bmake ([a-z]+)\b", " ".join(re.findall(r"`[^`]+`|```sh.*?```", (ROOT / readme).read_text(), re.DOTALL))
        )
    )
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert named >= {"up", "test"}
    assert named <= targets


@pytest.mark.parametrize("readme", ["README.md", "README.ko.md", "CONTRIBUTING.md"])
def test_every_link_of_a_page_leads_somewhere(readme: str) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / readme).read_text())
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


def test_lock_files_are_hashed_and_name_no_registry() -> None:
    for lock in (ROOT / "requirements").glob("*.txt"):
        text = lock.read_text()
        assert "://" not in text
        pins = re.findall(r"^[a-z0-9-]+(?:\[.*?\])?==[^\n]*\\\n\s+--hash=sha256:", text, re.MULTILINE)
        assert len(pins) == len(re.findall(r"^[a-z0-9-]+(?:\[.*?\])?==", text, re.MULTILINE)) > 0


def test_ci_calls_the_command_of_the_readme() -> None:
    assert re.search(r"^make test$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)


def test_every_full_size_is_run_by_a_target() -> None:
    rules = re.findall(r"^\t@\$\(BIN\)/pytest -m .*full.*$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    run = [ROOT / name for name in re.findall(r"tests/[\w/.]+", " ".join(rules))]
    full = [path for path in (ROOT / "tests").rglob("test_*.py") if "pytest.mark.full" in path.read_text()]
    assert len(full) > 10
    assert [path for path in full if path != Path(__file__) and not any(path.is_relative_to(one) for one in run)] == []


@pytest.mark.parametrize("part", ["operator", "apiserver", "agent"])
def test_every_variable_that_a_part_reads_is_on_the_map(part: str) -> None:
    settings = (ROOT / part / f"deplite_{part}" / "settings.py").read_text()
    read = set(re.findall(r"DEPLITE_[A-Z0-9_]+", settings))
    told = set(re.findall(r"DEPLITE_[A-Z0-9_]+", (ROOT / "docs" / "architecture.md").read_text()))
    assert read - told == set()
