"""What a Dockerfile says, as records: one for each instruction that ours use."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Copy:
    """COPY: from the build context, or from an earlier stage."""

    line: int
    sources: tuple[str, ...]
    target: str
    """Absolute; ends in a slash where it names a folder that the sources go into."""
    stage: str | None = None
    mode: int | None = None
    """Of the files, where `--chmod` says so."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """RUN: one command of /bin/sh, with what stands above it in force."""

    line: int
    command: str
    environment: Mapping[str, str]
    folder: str
    user: str


@dataclass(frozen=True, kw_only=True)
class Workdir:
    """WORKDIR: a folder that is made where it is missing."""

    line: int
    folder: str


Step = Copy | Run | Workdir


@dataclass(frozen=True, kw_only=True)
class Config:
    """What a container is started with; nothing of it is a file."""

    environment: Mapping[str, str]
    user: str = ""
    folder: str = "/"
    ports: tuple[str, ...] = ()
    """Such as `8080/tcp`."""
    volumes: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Stage:
    """FROM and what follows it."""

    line: int
    base: str
    """What it begins with: an earlier stage, else an image, or `scratch`."""
    name: str | None
    steps: tuple[Step, ...]
    config: Config
    """At the end of the stage, the base's included."""


@dataclass(frozen=True)
class Dockerfile:
    """A file that was read whole."""

    path: Path
    stages: tuple[Stage, ...]

    @property
    def last(self) -> Stage:
        """The stage that is the image."""
        return self.stages[-1]
