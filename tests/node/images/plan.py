"""From a Dockerfile and its context to the layers of an image; nothing is made here and nothing is fetched."""

import posixpath
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.node.images.context import Context
from tests.node.images.errors import DockerfileError
from tests.node.images.instructions import Config, Copy, Dockerfile, Step
from tests.node.images.layers import Action, Files, Layer, Tree, digest, stack
from tests.node.images.reader import SCRATCH


@dataclass(frozen=True)
class Image:
    """An image that may not be made yet."""

    top: Layer | None
    """None: the empty image."""
    config: Config

    def layers(self) -> list[Layer]:
        """Return its layers, the lowest first."""
        return list(self.top.chain())[::-1] if self.top else []


def plan(dockerfile: Dockerfile, context: Context, bases: Callable[[str], Image | None], recipe: str) -> Image:
    """Return the image that a Dockerfile describes.

    Args:
        dockerfile: was read whole.
        context: what COPY may take.
        bases: the images that FROM may name.
        recipe: whatever else decides what the layers become; part of their keys.

    Raises:
        DockerfileError: a COPY names what is not there.
    """
    done: dict[str | None, Layer | None] = {SCRATCH: None}
    for stage in dockerfile.stages:
        layer = done[stage.base] if stage.base in done else _top(bases(stage.base))
        for step in stage.steps:
            layer = stack(
                layer,
                _action(dockerfile.path, step, context, done),
                f"{dockerfile.path}:{step.line}: {type(step).__name__.upper()}",
                recipe,
            )
        done[stage.name] = layer
        last = layer
    return Image(last, dockerfile.last.config)


def _top(image: Image | None) -> Layer | None:
    return image.top if image else None


def _action(path: Path, step: Step, context: Context, stages: Mapping[str | None, Layer | None]) -> Action:
    if not isinstance(step, Copy):
        return step
    if step.stage is not None:
        return Tree(stages[step.stage], step.sources, step.target)
    files = dict(_copied(path, step, context))
    return Files(files, step.mode, digest(files))


def _copied(path: Path, step: Copy, context: Context) -> Iterator[tuple[str, Path]]:
    """Yield what a COPY takes: the content of a folder, or a file itself."""
    for source in step.sources:
        name = posixpath.normpath(source.lstrip("/"))
        name = "" if name == "." else name
        if name in context.files:
            into = step.target.endswith("/")
            yield posixpath.join(step.target, posixpath.basename(name)) if into else step.target, context.files[name]
        elif name in context.under:
            for file in context.under[name]:
                yield posixpath.join(step.target, file[len(name) :].lstrip("/")), context.files[file]
        elif context.hides(name):
            raise DockerfileError(path, step.line, f".dockerignore keeps out what is copied here: {source}")
        else:
            raise DockerfileError(path, step.line, f"there is nothing to copy: {source}")
