"""The build context: which files COPY may take, by the rules of .dockerignore."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.node.images.errors import ImageError


@dataclass(frozen=True)
class Rule:
    """One line of a .dockerignore."""

    pattern: re.Pattern[str]
    kept: bool
    """Whether what it matches is taken in again."""


@dataclass(frozen=True)
class Context:
    """Files by their path in the context, with slashes."""

    files: Mapping[str, Path]
    root: Path | None = None
    """The folder that they are from: what is there and not among the files is kept out on purpose."""
    under: Mapping[str, tuple[str, ...]] = field(init=False, repr=False)
    """The files of each folder, at any depth."""

    def __post_init__(self) -> None:
        folders: dict[str, list[str]] = {"": list(self.files)}
        for path in self.files:
            parts = path.split("/")
            for depth in range(1, len(parts)):
                folders.setdefault("/".join(parts[:depth]), []).append(path)
        object.__setattr__(self, "under", {name: tuple(paths) for name, paths in folders.items()})

    def hides(self, path: str) -> bool:
        """Whether .dockerignore, and nothing else, keeps this path out."""
        return self.root is not None and (self.root / path).exists()


def read_context(root: Path) -> Context:
    """Return the files of a folder that its .dockerignore leaves in.

    Raises:
        ImageError: a line of it is of a kind that we do not read.
    """
    ignore = root / ".dockerignore"
    rules = list(read_rules(ignore)) if ignore.exists() else []
    return Context(dict(sorted(_walk(root, rules))), root)


def read_rules(ignore: Path) -> Iterator[Rule]:
    """Return the rules of a .dockerignore, in their order: the last one that matches decides."""
    for number, raw in enumerate(ignore.read_text().splitlines(), 1):
        text = raw.strip()
        if not text or text.startswith("#"):
            continue
        pattern = text.removeprefix("!").strip("/")
        if not pattern or re.search(r"[\[\]\\]|(?:^|/)\.\.?(?:/|$)", pattern):
            raise ImageError(f"{ignore}:{number}: our reader knows only names, *, ? and **: {text}")
        yield Rule(re.compile(_expression(pattern)), text.startswith("!"))


def ignored(path: str, rules: list[Rule]) -> bool:
    """Whether a path is left out; a rule that matches a folder matches all that is in it."""
    parts = path.split("/")
    ways = ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
    left_out = False
    for rule in rules:
        if any(map(rule.pattern.fullmatch, ways)):
            left_out = not rule.kept
    return left_out


def _expression(pattern: str) -> str:
    found = ""
    for part in re.findall(r"\*\*/|\*\*|\*|\?|[^*?]+", pattern):
        found += {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(part, re.escape(part))
    return found


def _walk(root: Path, rules: list[Rule]) -> Iterator[tuple[str, Path]]:
    # A folder that nothing takes in again is not entered: .venv and .git are large.
    exceptions = any(rule.kept and "/" in rule.pattern.pattern for rule in rules)
    for folder, names, files in os.walk(root):
        at = Path(folder).relative_to(root)
        names[:] = [name for name in names if exceptions or not ignored((at / name).as_posix(), rules)]
        for name in (*files, *(one for one in names if (Path(folder) / one).is_symlink())):
            path = (at / name).as_posix()
            if not ignored(path, rules):
                yield path, Path(folder) / name
