"""Which files COPY may take: the rules of .dockerignore, and the repository's own."""

from pathlib import Path

import pytest

from tests.node.images.context import read_context
from tests.node.images.errors import ImageError
from tests.node.images.recipes import ROOT


def folder(root: Path, ignore: str, *paths: str) -> Path:
    (root / ".dockerignore").write_text(ignore)
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    return root


@pytest.mark.parametrize(
    ("ignore", "left"),
    [
        ("", {".dockerignore", "a/b/c.py", "a/b/__pycache__/c.pyc", "d.md", "secret"}),
        ("*\n!a\n", {"a/b/c.py", "a/b/__pycache__/c.pyc"}),
        ("*\n!a\n**/__pycache__\n", {"a/b/c.py"}),
        ("*\n!a\n**/*.pyc\n", {"a/b/c.py"}),
        ("*\n!a/b/c.py\n", {"a/b/c.py"}),
        ("# all but one\n\n*\n!d.??\n", {"d.md"}),
        ("/a\n.dockerignore\nsec*\n", {"d.md"}),
        ("!a\n*\n", set()),
        ("**\n!**/c.py\n", {"a/b/c.py"}),
        ("*.pyc\nb\n", {".dockerignore", "a/b/c.py", "a/b/__pycache__/c.pyc", "d.md", "secret"}),
        ("a/*/__pycache__\n", {".dockerignore", "a/b/c.py", "d.md", "secret"}),
    ],
)
def test_the_last_rule_that_matches_decides(tmp_path: Path, ignore: str, left: set[str]) -> None:
    root = folder(tmp_path, ignore, "a/b/c.py", "a/b/__pycache__/c.pyc", "d.md", "secret")
    assert set(read_context(root).files) == left


@pytest.mark.parametrize("line", ["[ab]", "a\\b", "../a", "!"])
def test_a_rule_that_we_do_not_read_is_an_error_that_names_it(tmp_path: Path, line: str) -> None:
    with pytest.raises(ImageError, match=r"\.dockerignore:2: our reader knows only names"):
        read_context(folder(tmp_path, f"*\n{line}\n"))


def test_a_link_is_taken_as_a_link_and_not_followed(tmp_path: Path) -> None:
    outside = folder(tmp_path, "", "outside/file") / "outside"
    root = tmp_path / "root"
    root.mkdir()
    (root / "folder").symlink_to(outside)
    (root / "file").symlink_to(outside / "file")
    assert set(read_context(root).files) == {"file", "folder"}


def test_of_the_repository_an_image_gets_no_tests_no_bytecode_and_nothing_hidden() -> None:
    files = read_context(ROOT).files
    tops = {path.split("/")[0] for path in files}
    assert tops == {"agent", "apiserver", "crds", "deplite", "examples", "operator", "requirements"} | {
        "pyproject.toml",
        "README.md",
    }
    assert [path for path in files if "__pycache__" in path or path.endswith(".pyc")] == []
    assert "deplite/__init__.py" in files
