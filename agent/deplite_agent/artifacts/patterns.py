"""Patterns of artifacts: `*`, `?` and `[…]` within a name, `**` for any number of folders. Pure.

As in a shell, a wildcard finds no name that begins with a dot: what is hidden must be asked for by that dot.
"""

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

MAX_PATTERN = 255
MAX_PARTS = 20
_WILD = re.compile(r"[*?\[]")
_ANY_FOLDERS = "**"

Place = tuple[int, int]
"""A pattern, and how many of its parts have been met."""


def check_pattern(text: str) -> str:
    """Return a pattern without a leading `./`.

    Raises:
        ValueError: it could reach beyond the working directory, or means nothing; the sentence says what to write.
    """
    while text.startswith("./"):
        text = text[2:]
    if text.startswith(("/", "~")) or ".." in text.split("/"):
        inside = "write a path in it, without a leading / or ~ and without `..`"
        raise ValueError(f"`{text}` leads out of the job's working directory: {inside}")
    if text.endswith("/"):
        raise ValueError(f"`{text}` is a folder: write `{text}**` for all files in it")
    parts = text.split("/")
    if any(part in ("", ".") for part in parts):
        raise ValueError("write names with one / between them")
    if any(_ANY_FOLDERS in part and part != _ANY_FOLDERS for part in parts):
        raise ValueError("`**` stands alone between two /: write `**/*.html`, not `**.html`")
    if len(parts) > MAX_PARTS:
        raise ValueError(f"a pattern has at most {MAX_PARTS} parts")
    return f"{text}/*" if parts[-1] == _ANY_FOLDERS else text


@dataclass(frozen=True)
class Patterns:
    """Several patterns, met together on one walk."""

    texts: tuple[str, ...]

    def begin(self) -> frozenset[Place]:
        """Return where a walk begins: in the working directory."""
        return self._opened((number, 0) for number in range(len(self.texts)))

    def wanted(self, places: Iterable[Place]) -> frozenset[str] | None:
        """Return the only names of a folder that matter, or None where all have to be looked at."""
        parts = [self._parts[number][at] for number, at in places]
        return None if any(map(_WILD.search, parts)) else frozenset(parts)

    def below(self, places: Iterable[Place], name: str, *, link: bool = False) -> frozenset[Place]:
        """Return what goes on in the folder of that name; `**` follows no link."""
        met = (self._enter(place, name, link=link) for place in places)
        return self._opened(place for place in met if place is not None and place[1] < len(self._parts[place[0]]))

    def meets(self, places: Iterable[Place], name: str) -> bool:
        """Return whether a file of that name is one of those that are asked for."""
        return any(self._last(place) and self._fits(place, name) for place in places)

    def _last(self, place: Place) -> bool:
        number, at = place
        return at == len(self._parts[number]) - 1 and self._parts[number][at] != _ANY_FOLDERS

    def _enter(self, place: Place, name: str, *, link: bool) -> Place | None:
        number, at = place
        if self._parts[number][at] == _ANY_FOLDERS:
            return None if link or name.startswith(".") else place
        return (number, at + 1) if self._fits(place, name) else None

    def _fits(self, place: Place, name: str) -> bool:
        number, at = place
        part = self._parts[number][at]
        if name.startswith(".") and not part.startswith("."):
            return False
        return self._compiled[number][at].fullmatch(name) is not None

    def _opened(self, places: Iterable[Place]) -> frozenset[Place]:
        """Return the places and, for `**`, also the one after it: it may stand for no folder at all."""
        found: set[Place] = set()
        for number, start in places:
            at = start
            found.add((number, at))
            while self._parts[number][at] == _ANY_FOLDERS:
                at += 1
                found.add((number, at))
        return frozenset(found)

    @cached_property
    def _parts(self) -> tuple[tuple[str, ...], ...]:
        return tuple(tuple(text.split("/")) for text in self.texts)

    @cached_property
    def _compiled(self) -> tuple[tuple[re.Pattern[str], ...], ...]:
        return tuple(tuple(re.compile(fnmatch.translate(part)) for part in parts) for parts in self._parts)
