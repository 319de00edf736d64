"""Which files patterns find, and that nothing outside the working directory is ever among them."""

import os
import re
from pathlib import Path

import pytest

from deplite_agent.artifacts import search as bounds
from deplite_agent.artifacts.patterns import Patterns, check_pattern
from deplite_agent.artifacts.search import Found, LeavesError, inside, open_beneath, open_inside, search


def tree(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def found(folder: Path, *patterns: str) -> Found:
    return search(folder, Patterns(tuple(map(check_pattern, patterns))))


NAMES = ("report.html", "dist/a.tar.gz", "dist/b.zip", "dist/deep/c.tar.gz", "x/y/z/report.html", ".env", "dist/.git/k")
TABLE = {
    ("report.html",): ["report.html"],
    ("./report.html",): ["report.html"],
    ("dist/*.tar.gz", "report.html"): ["dist/a.tar.gz", "report.html"],
    ("dist/**",): ["dist/a.tar.gz", "dist/b.zip", "dist/deep/c.tar.gz"],
    ("**/*.tar.gz",): ["dist/a.tar.gz", "dist/deep/c.tar.gz"],
    ("**/report.html",): ["report.html", "x/y/z/report.html"],
    ("x/**/z/*",): ["x/y/z/report.html"],
    ("x/**/y/**/report.*",): ["x/y/z/report.html"],
    ("dist/?.zip", "dist/[b-c].zip"): ["dist/b.zip"],
    ("*/*/*.gz",): ["dist/deep/c.tar.gz"],
    ("*",): ["report.html"],
    ("**",): ["dist/a.tar.gz", "dist/b.zip", "dist/deep/c.tar.gz", "report.html", "x/y/z/report.html"],
    (".env",): [".env"],
    (".*",): [".env"],
    ("dist/.git/*",): ["dist/.git/k"],
    ("REPORT.html", "dist", "nothing/**"): [],
}


@pytest.mark.parametrize("patterns", TABLE)
def test_what_patterns_find(patterns: tuple[str, ...], tmp_path: Path) -> None:
    result = found(tree(tmp_path, *NAMES), *patterns)
    assert (list(result.names), result.problems) == (TABLE[patterns], ())
    assert result.size == sum(map(len, result.names))


WRONG = {
    "/etc/passwd": "leads out",
    "~/x": "leads out",
    "../x": "leads out",
    "a/../../x": "leads out",
    "./../x": "leads out",
    "dist/": "write `dist/**`",
    "a//b": "one / between",
    "a/./b": "one / between",
    "": "one / between",
    "dist/**.html": "stands alone",
    "/".join("a" * 30): "at most 20 parts",
}


@pytest.mark.parametrize("pattern", WRONG)
def test_patterns_that_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=re.escape(WRONG[pattern])):
        check_pattern(pattern)


def test_a_folder_that_is_not_there_has_nothing(tmp_path: Path) -> None:
    assert found(tmp_path / "gone", "**", "a") == Found()


def test_links_that_lead_out_are_refused_and_named(tmp_path: Path) -> None:
    tree(tmp_path / "outside", "secret", "more/secret")
    home = tree(tmp_path / "home", "dist/real", "inner/file")
    (home / "dist/leak").symlink_to(tmp_path / "outside/secret")
    (home / "dist/near").symlink_to("../inner/file")
    (home / "dist/nowhere").symlink_to("nothing")
    (home / "out").symlink_to(tmp_path / "outside")
    result = found(home, "dist/*", "out/*", "out/more/secret", "**/secret")
    assert result.names == ("dist/near", "dist/real")
    assert len(result.problems) == 2
    assert "dist/leak is a link that leads out of the working directory: copy the file into it" in result.problems[1]
    assert "out is a link that leads out" in result.problems[0]


def test_any_folders_follow_no_link(tmp_path: Path) -> None:
    home = tree(tmp_path, "a/file")
    (home / "a/again").symlink_to("..")
    (home / "b").symlink_to("a")
    assert found(home, "**/file").names == ("a/file",)
    assert found(home, "b/file", "b/**").names == ("b/file",)


def test_what_is_no_regular_file_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    result = found(tmp_path, "*")
    assert (result.names, result.problems) == ((), ("pipe is no regular file.",))


def test_a_link_that_is_changed_after_the_search_is_still_refused(tmp_path: Path) -> None:
    home = tree(tmp_path / "home", "file")
    assert found(home, "file").names == ("file",)
    (home / "file").unlink()
    (home / "file").symlink_to("/etc/passwd")
    with pytest.raises(LeavesError, match="leads out"):
        inside(home, "file")


def test_more_files_than_a_job_may_have(tmp_path: Path) -> None:
    names = [f"{number:03}" for number in range(bounds.MAX_FILES + 5)]
    result = found(tree(tmp_path, *names), "*")
    assert list(result.names) == names[: bounds.MAX_FILES]
    assert result.problems == (
        "100 and what comes after it are left out: a job has at most 100 artifacts with 10.0 GiB together; "
        "pack them into an archive in the last step.",
    )


def test_a_file_that_is_too_large_is_named_and_the_others_are_taken(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.truncate(bounds.MAX_FILE_BYTES + 1)
    result = found(tree(tmp_path, "small"), "*")
    assert result.names == ("small",)
    assert result.problems == ("big has 5.0 GiB; an artifact has at most 5.0 GiB.",)


def test_all_files_together_have_a_bound(tmp_path: Path) -> None:
    for name in "abc":
        with (tmp_path / name).open("wb") as file:
            file.truncate(4 * 1024**3)
    result = found(tmp_path, "*")
    assert result.names == ("a", "b")
    assert result.problems[0].startswith("c and what comes after it are left out")


def test_a_search_that_takes_too_long_is_given_up_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "MAX_ENTRIES", 3)
    result = found(tree(tmp_path, *"abcdef"), "*")
    assert len(result.names) == 3
    assert "write narrower patterns" in result.problems[0]


def test_folders_within_folders_end_somewhere(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * (bounds.MAX_DEPTH + 10))
    deep.mkdir(parents=True)
    (deep / "file").touch()
    assert found(tmp_path, "**/file").names == ()


def content(descriptor: int) -> str:
    with open(descriptor) as file:
        return file.read()


def test_a_file_is_opened_through_links_that_stay_inside(tmp_path: Path) -> None:
    folder = tree(tmp_path / "work", "real/deep/f")
    (folder / "link").symlink_to("real")
    (folder / "g").symlink_to("real/deep/f")
    assert content(open_inside(folder, "link/deep/f")) == content(open_inside(folder, "g")) == "real/deep/f"


def test_a_folder_that_became_a_link_after_it_was_looked_at_is_not_followed(tmp_path: Path) -> None:
    folder = tree(tmp_path / "work", "a/b/f")
    tree(tmp_path / "outside", "b/f", "f")
    (folder / "first").symlink_to(tmp_path / "outside")
    (folder / "a/second").symlink_to(tmp_path / "outside")
    (folder / "a/last").symlink_to(tmp_path / "outside/f")
    assert content(open_beneath(folder, ("a", "b", "f"))) == "a/b/f"
    for swapped in (("first", "b", "f"), ("a", "second", "f"), ("a", "last")):
        with pytest.raises(OSError, match=r"Not a directory|Too many levels of symbolic links"):
            open_beneath(folder, swapped)


def test_a_folder_whose_names_cannot_be_read_can_be_gone_through(tmp_path: Path) -> None:
    folder = tree(tmp_path / "work", "closed/f")
    (folder / "closed").chmod(0o311)
    assert content(open_inside(folder, "closed/f")) == "closed/f"
    (folder / "closed").chmod(0o755)
