"""Reads a Dockerfile: only the instructions that ours use. Anything else is an error that names the line.

It is stricter than Docker where that keeps an image from being another one than it looks like: a variable that nobody
has set, quotes, a user by name and a relative path are errors.
"""

import json
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from tests.node.images.errors import DockerfileError
from tests.node.images.instructions import Config, Copy, Dockerfile, Run, Stage, Step, Workdir

SCRATCH = "scratch"
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_PORT = re.compile(r"[1-9][0-9]{0,4}(?:/(?:tcp|udp))?")
_USER = re.compile(r"[0-9]+:[0-9]+")


def read(path: Path, bases: Callable[[str], Config | None]) -> Dockerfile:
    """Return what a Dockerfile says.

    Args:
        path: of the file.
        bases: says what an image of that name is started with; None where there is no such image.

    Raises:
        DockerfileError: a line is not one that we carry out.
    """
    reader = _Reader(path, bases)
    for line, text in lines(path):
        reader.read(line, text)
    return reader.end()


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Return the instructions of a file, those of several lines as one, with the number of their first line."""
    begun, first = "", 0
    for number, raw in enumerate(path.read_text().splitlines(), 1):
        text = raw.strip()
        if text.startswith("#") or not text:
            continue
        first = first if begun else number
        if text.endswith("\\"):
            begun += text[:-1].strip() + " "
            continue
        yield first, begun + text
        begun = ""
    if begun:
        raise DockerfileError(path, first, "the last line ends in a backslash")


class _Reader:
    """The stages so far, and the one that is being read."""

    def __init__(self, path: Path, bases: Callable[[str], Config | None]) -> None:
        self._path, self._bases = path, bases
        self._line = 0
        self._arguments: dict[str, str] = {}
        self._stages: list[Stage] = []
        self._stage: Stage | None = None
        self._read: Mapping[str, Callable[[str], None]] = {
            "ARG": self._arg,
            "FROM": self._from,
            "WORKDIR": self._workdir,
            "ENV": self._env,
            "COPY": self._copy,
            "RUN": self._run,
            "USER": self._user,
            "EXPOSE": self._expose,
            "VOLUME": self._volume,
            "ENTRYPOINT": self._entrypoint,
        }

    def read(self, line: int, text: str) -> None:
        self._line = line
        name, _, rest = text.partition(" ")
        if name not in self._read:
            raise self._error(f"{name}: our reader knows only {', '.join(self._read)}")
        if not rest.strip():
            raise self._error(f"{name} says nothing")
        self._read[name](rest.strip())

    def end(self) -> Dockerfile:
        if self._stage is None:
            raise DockerfileError(self._path, self._line or 1, "there is no FROM")
        return Dockerfile(self._path, (*self._stages, self._stage))

    def _error(self, problem: str) -> DockerfileError:
        return DockerfileError(self._path, self._line, problem)

    @property
    def _current(self) -> Stage:
        if self._stage is None:
            raise self._error("only ARG may stand above the first FROM")
        return self._stage

    def _add(self, step: Step) -> None:
        self._stage = replace(self._current, steps=(*self._current.steps, step))

    def _configure(self, **changes: object) -> None:
        self._stage = replace(self._current, config=replace(self._current.config, **changes))  # type: ignore[arg-type]

    def _expand(self, text: str, values: Mapping[str, str]) -> str:
        def value(found: re.Match[str]) -> str:
            name = found[1] or found[2]
            if name not in values:
                raise self._error(f"nothing sets ${name}")
            return values[name]

        expanded = _VARIABLE.sub(value, text)
        if "$" in _VARIABLE.sub("", text) or re.search(r"[\"'\\]", text):
            raise self._error(f"quotes, backslashes and ${{NAME:…}} are not read here: {text}")
        return expanded

    def _words(self, text: str) -> list[str]:
        return self._expand(text, self._current.config.environment).split()

    def _absolute(self, path: str) -> str:
        whole = posixpath.join(self._current.config.folder, path)
        if ".." in whole.split("/"):
            raise self._error(f"a path goes upwards: {path}")
        return posixpath.normpath(whole) + ("/" if path.endswith(("/", "/.")) or path == "." else "")

    def _arg(self, text: str) -> None:
        name, equals, value = text.partition("=")
        if self._stage is not None or not equals:
            raise self._error("ARG stands above the first FROM and has a default")
        self._arguments[name] = self._expand(value, self._arguments)

    def _from(self, text: str) -> None:
        words = self._expand(text, self._arguments).split()
        named = len(words) == 3 and words[1].upper() == "AS"
        if len(words) != 1 and not named:
            raise self._error("FROM takes an image, and AS with a name")
        if self._stage is not None:
            self._stages.append(self._stage)
        config = self._config_of(words[0])
        self._stage = Stage(line=self._line, base=words[0], name=words[2] if named else None, steps=(), config=config)

    def _config_of(self, name: str) -> Config:
        for stage in self._stages:
            if stage.name == name:
                return stage.config
        config = Config(environment={}) if name == SCRATCH else self._bases(name)
        if config is None:
            raise self._error(f"{name} is no stage above, not the base that the tests have and no image of ours")
        return config

    def _workdir(self, text: str) -> None:
        (folder,) = self._exactly(1, "WORKDIR takes one folder", self._words(text))
        folder = self._absolute(folder).rstrip("/") or "/"
        self._configure(folder=folder)
        self._add(Workdir(line=self._line, folder=folder))

    def _env(self, text: str) -> None:
        pairs = [word.partition("=") for word in self._words(text)]
        if not all(name and equals for name, equals, _ in pairs):
            raise self._error("ENV takes NAME=VALUE, and no spaces in a value")
        new = {name: value for name, _, value in pairs}
        self._configure(environment={**self._current.config.environment, **new})

    def _copy(self, text: str) -> None:
        words = self._words(text)
        options = dict(word[2:].partition("=")[::2] for word in words if word.startswith("--"))
        if unknown := sorted(set(options) - {"from", "chmod"}):
            raise self._error(f"COPY --{unknown[0]} is not read here, only --from and --chmod")
        *sources, target = [word for word in words if not word.startswith("--")] or [""]
        if not sources:
            raise self._error("COPY takes what to copy and where to")
        if len(sources) > 1 and not target.endswith("/"):
            raise self._error(f"several files go into a folder: {target} has to end in a slash")
        stage, mode = options.get("from"), options.get("chmod")
        if stage is not None and stage not in {one.name for one in self._stages}:
            raise self._error(f"no stage above is called {stage}")
        if stage is not None and mode is not None:
            raise self._error("--chmod is not read beside --from")
        if mode is not None and not re.fullmatch(r"0?[0-7]{3}", mode):
            raise self._error(f"--chmod takes a number such as 0755: {mode}")
        self._add(
            Copy(
                line=self._line,
                sources=tuple(sources),
                target=self._absolute(target),
                stage=stage,
                mode=None if mode is None else int(mode, 8),
            )
        )

    def _run(self, text: str) -> None:
        if text.startswith(("[", "--", "<<")):
            raise self._error("RUN takes one command of the shell here, without options")
        config = self._current.config
        self._add(
            Run(
                line=self._line,
                command=text,
                environment=config.environment,
                folder=config.folder,
                user=config.user,
            )
        )

    def _user(self, text: str) -> None:
        if not _USER.fullmatch(text):
            raise self._error(f"USER takes two numbers, UID:GID, which Kubernetes can tell from root: {text}")
        self._configure(user=text)

    def _expose(self, text: str) -> None:
        ports = self._words(text)
        if not all(map(_PORT.fullmatch, ports)):
            raise self._error(f"EXPOSE takes ports such as 8080 or 53/udp: {text}")
        new = tuple(port if "/" in port else f"{port}/tcp" for port in ports)
        self._configure(ports=(*self._current.config.ports, *new))

    def _volume(self, text: str) -> None:
        folders = self._words(text)
        if not all(folder.startswith("/") for folder in folders):
            raise self._error(f"VOLUME takes absolute paths: {text}")
        self._configure(volumes=(*self._current.config.volumes, *folders))

    def _entrypoint(self, text: str) -> None:
        try:
            words = json.loads(text)
        except ValueError:
            words = None
        if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
            raise self._error('ENTRYPOINT takes a list of words such as ["program", "--option"]')
        self._configure(entrypoint=tuple(words), command=())  # as with Docker, the base's command goes

    def _exactly(self, count: int, problem: str, words: list[str]) -> list[str]:
        if len(words) != count:
            raise self._error(problem)
        return words
