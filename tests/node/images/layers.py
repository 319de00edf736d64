"""Layers before they are made: what each one does, and a key that changes with everything that goes into it."""

import hashlib
import json
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.node.images.instructions import Run, Workdir

KEY_LENGTH = 24


@dataclass(frozen=True)
class Base:
    """The folder tree that is not made by a Dockerfile (base.py)."""


@dataclass(frozen=True)
class Files:
    """Files of the build context, by their absolute path in the image."""

    files: Mapping[str, Path]
    mode: int | None
    digest: str
    """Of all their contents, modes and paths."""


@dataclass(frozen=True)
class Tree:
    """Files of an earlier stage."""

    stage: "Layer | None"
    sources: tuple[str, ...]
    target: str


Action = Base | Files | Tree | Run | Workdir


@dataclass(frozen=True)
class Layer:
    """What one instruction changes, on top of what is below."""

    below: "Layer | None"
    action: Action
    title: str
    """Where the instruction is, for people."""
    key: str

    def chain(self) -> Iterator["Layer"]:
        """Return this layer and all below it, this one first."""
        layer: Layer | None = self
        while layer is not None:
            yield layer
            layer = layer.below


def stack(below: Layer | None, action: Action, title: str, recipe: str = "") -> Layer:
    """Return a layer on top of another.

    Args:
        below: what it changes; None is the empty image.
        action: what it does.
        title: shown to people.
        recipe: whatever else decides what it becomes.
    """
    parts = [below.key if below else "", type(action).__name__, _details(action), recipe]
    return Layer(below, action, title, hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:KEY_LENGTH])


def _details(action: Action) -> object:
    match action:
        case Base():
            return None
        case Files():
            return [action.digest, action.mode]
        case Tree():
            return [action.stage.key if action.stage else "", action.sources, action.target]
        case Run():
            return [action.command, sorted(action.environment.items()), action.folder, action.user]
        case Workdir():
            return action.folder


def digest(files: Mapping[str, Path]) -> str:
    """Return a hash of files: their paths in the image, whether they may be run, and what is in them."""
    whole = hashlib.sha256()
    for target, path in sorted(files.items()):
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            content = str(path.readlink())
        else:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(json.dumps([target, stat.S_IFMT(found.st_mode), stat.S_IMODE(found.st_mode), content]).encode())
    return whole.hexdigest()
