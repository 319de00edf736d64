"""Finds the files that patterns ask for: one walk, within bounds, never out of the working directory."""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deplite.amounts import spelled_bytes
from deplite_agent.artifacts.patterns import Patterns, Place

MAX_FILES = 100
MAX_FILE_BYTES = 5 * 1024**3
"""What S3 takes at once."""
MAX_BYTES = 10 * 1024**3
"""Of all files of a job together."""
MAX_ENTRIES = 200_000
"""Names that are looked at before the search is given up."""
MAX_DEPTH = 64
"""Folders within folders."""
_FOLDER = os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)
"""How a folder is opened on the way to what is in it: with O_PATH, not even its names need to be readable."""
_PACK = "pack them into an archive in the last step"


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search brought."""

    names: tuple[str, ...] = ()
    """Paths relative to the working directory, sorted."""
    size: int = 0
    """Bytes of all of them."""
    problems: tuple[str, ...] = ()
    """A sentence for each thing that was asked for and is not uploaded."""


class LeavesError(Exception):
    """A path leads out of the working directory; the sentence says what to do."""


def inside(folder: Path, name: str) -> Path:
    """Return the real path of a file in a folder.

    Args:
        folder: the working directory.
        name: a relative path.

    Raises:
        LeavesError: a link on the way leads out of the folder.
        OSError: it is not there.
    """
    real = (folder / name).resolve(strict=True)
    if not real.is_relative_to(folder.resolve(strict=True)):
        message = f"{name} is a link that leads out of the working directory: copy the file into it in the last step."
        raise LeavesError(message)
    return real


def open_inside(folder: Path, name: str) -> int:
    """Open a file in a folder for reading, and return its descriptor; errors as `inside`."""
    real = folder.resolve(strict=True)
    return open_beneath(real, inside(folder, name).relative_to(real).parts)


def open_beneath(folder: Path, parts: Sequence[str]) -> int:
    """Open a file by its path in a folder, following no link: not one that was put on the way since it was looked at.

    Args:
        folder: where the path begins.
        parts: the names on the way, the file's last; one that waits for a writer is opened without waiting.

    Raises:
        OSError: it cannot be opened, or there is a link on the way.
    """
    at = os.open(folder, _FOLDER)
    try:
        for part in parts[:-1]:
            below = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = below
        return os.open(parts[-1], os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
    finally:
        os.close(at)


def search(folder: Path, patterns: Patterns) -> Found:
    """Return the files in a folder that the patterns ask for, as far as the bounds allow."""
    walk = _Walk(folder, patterns)
    names = sorted(set(walk.run()))
    problems = walk.problems
    if walk.left < 0:
        problems.append(
            f"More than {MAX_ENTRIES} names were looked at for artifacts, the rest was not: write narrower patterns."
        )
    taken: list[str] = []
    total = 0
    for name in names:
        try:
            size = inside(folder, name).stat().st_size
        except LeavesError as error:
            problems.append(str(error))
            continue
        except OSError as error:
            problems.append(f"{name} cannot be read ({error.strerror}).")
            continue
        if size > MAX_FILE_BYTES:
            problems.append(
                f"{name} has {spelled_bytes(size)}; an artifact has at most {spelled_bytes(MAX_FILE_BYTES)}."
            )
        elif len(taken) < MAX_FILES and total + size <= MAX_BYTES:
            taken.append(name)
            total += size
        else:
            most = f"at most {MAX_FILES} artifacts with {spelled_bytes(MAX_BYTES)} together"
            problems.append(f"{name} and what comes after it are left out: a job has {most}; {_PACK}.")
            break
    return Found(names=tuple(taken), size=total, problems=tuple(problems))


@dataclass(kw_only=True)
class _Looked:
    """One name in a folder."""

    name: str
    mode: int
    link: bool


class _Walk:
    """One walk through the folders that matter."""

    def __init__(self, folder: Path, patterns: Patterns) -> None:
        self._folder, self._patterns = folder, patterns
        self.left = MAX_ENTRIES
        self.problems: list[str] = []

    def run(self) -> Iterator[str]:
        """Yield the files, in no order; the same one may come twice."""
        yield from self._in(self._folder, "", self._patterns.begin())

    def _in(self, folder: Path, prefix: str, places: frozenset[Place]) -> Iterator[str]:
        for looked in self._look(folder, self._patterns.wanted(places)):
            name = prefix + looked.name
            met = self._patterns.meets(places, looked.name)
            if met and stat.S_ISREG(looked.mode):
                yield name
            elif met and not stat.S_ISDIR(looked.mode):
                self.problems.append(f"{name} is no regular file.")
            elif stat.S_ISDIR(looked.mode):
                below = self._patterns.below(places, looked.name, link=looked.link)
                deep = name.count("/") >= MAX_DEPTH
                if below and not deep and not (looked.link and self._leaves(name)):
                    yield from self._in(folder / looked.name, f"{name}/", below)

    def _leaves(self, name: str) -> bool:
        try:
            inside(self._folder, name)
        except (LeavesError, OSError) as error:
            self.problems.append(str(error))
            return True
        return False

    def _look(self, folder: Path, wanted: frozenset[str] | None) -> Iterator[_Looked]:
        try:
            names = os.listdir(folder) if wanted is None else sorted(wanted)
        except OSError:
            return  # not made, or not for us to see: nothing is found in it
        for name in names:
            self.left -= 1
            if self.left < 0:
                return
            try:
                link = stat.S_ISLNK(os.lstat(folder / name).st_mode)
                yield _Looked(name=name, mode=os.stat(folder / name).st_mode, link=link)
            except OSError:
                continue  # gone meanwhile, or a link to nothing
