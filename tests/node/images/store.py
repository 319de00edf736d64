"""The folder where layers are kept: each is made once, by root, in a namespace of its own.

A layer is there whole or not at all: it is made beside its place and renamed into it. What nobody uses is removed: an
archive after hours, for it is large and made of layers within seconds; a layer after a day.
"""

import asyncio
import json
import os
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path

from tests.node.images import base, inside, wheels
from tests.node.images.errors import ImageError
from tests.node.images.instructions import Run, Workdir
from tests.node.images.layers import KEY_LENGTH, Base, Files, Layer, Tree
from tests.node.images.pack import EPOCH

LAYER_SECONDS = 86400.0
ARCHIVE_SECONDS = 2 * 3600.0
_NAMESPACES = ("--mount", "--propagation", "private", "--net", "--pid", "--fork", "--kill-child")


class Store:
    """Makes layers in a folder; to be used under its lock.

    Args:
        folder: is made; on a file system that overlayfs can write to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._making: dict[str, asyncio.Task[None]] = {}

    def tree(self, layer: Layer) -> Path:
        """Return the folder of a layer that is made."""
        return self.folder / layer.key / "tree"

    def prepare(self) -> None:
        """Make the folder, and remove what an interrupted make left in it."""
        for name in ("empty", "nothing"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for left in self.folder.glob("*.new"):
            shutil.rmtree(left) if left.is_dir() else left.unlink()

    async def make(self, layer: Layer) -> None:
        """Make a layer, and all that it needs, where it is not there.

        Raises:
            ImageError: it cannot be made.
        """
        if layer.key not in self._making:
            self._making[layer.key] = asyncio.create_task(self._make(layer))
        await self._making[layer.key]

    def prune(self) -> None:
        """Remove what was not used for long."""
        now = time.time()
        for path in self.folder.iterdir():
            unused = now - path.stat().st_mtime
            if path.suffix == ".tar" and unused > ARCHIVE_SECONDS:
                path.unlink()
            elif len(path.name) == KEY_LENGTH and unused > LAYER_SECONDS:
                shutil.rmtree(path)

    async def _make(self, layer: Layer) -> None:
        place = self.folder / layer.key
        if place.exists():
            os.utime(place)
            return
        for top in (layer.below, layer.action.stage if isinstance(layer.action, Tree) else None):
            for other in reversed(list(top.chain()) if top else []):
                await self.make(other)
        new = self.folder / f"{layer.key}.new"
        new.mkdir()
        if isinstance(layer.action, Base):
            await base.make(new / "tree", new / "log")
        else:
            for name in ("tree", "work", "merged", "other"):
                (new / name).mkdir()
            await self._carry_out(layer, new)
            for name in ("work", "merged", "other"):
                shutil.rmtree(new / name)
        new.rename(place)

    async def _carry_out(self, layer: Layer, new: Path) -> None:
        job = {name: f"{new.name}/{name}" for name in ("work", "merged", "other")} | {"upper": f"{new.name}/tree"}
        details = {"below": self._trees(layer.below), **await self._details(layer, new)}
        (new / "job.json").write_text(json.dumps(job | details))
        argv = ("unshare", *_NAMESPACES, sys.executable, inside.__file__, str(new / "job.json"))
        with (new / "log").open("wb") as log:
            child = await asyncio.create_subprocess_exec(*argv, cwd=self.folder, stdout=log, stderr=log)
            try:
                code = await child.wait()
            finally:
                with suppress(ProcessLookupError):
                    child.kill()
        shutil.rmtree(new / "wheels", ignore_errors=True)
        if code != 0:
            said = (new / "log").read_text(errors="replace")[-3000:].strip()
            raise ImageError(f"{layer.title} fails; it says:\n{said}")

    async def _details(self, layer: Layer, new: Path) -> dict[str, object]:
        match layer.action:
            case Files(files, mode):
                return {"files": {target: str(path.absolute()) for target, path in files.items()}, "mode": mode}
            case Tree(stage, names, target):
                return {"stage": self._trees(stage), "sources": names, "target": target}
            case Workdir(folder=folder):
                return {"workdir": folder}
            case Run() as run:
                contents = [self._read(layer, Path(run.folder, name)) for name in wheels.locks(run.command)]
                environment = {"HOME": "/root", **run.environment, "SOURCE_DATE_EPOCH": str(EPOCH)}
                if contents:
                    (new / "wheels").mkdir()
                    await wheels.fetch(contents, new / "wheels")
                    environment |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": f"/{inside.WHEELS}"}
                return {
                    "command": run.command,
                    "environment": environment,
                    "folder": run.folder,
                    "user": run.user,
                    "wheels": f"{new.name}/wheels" if contents else None,
                }
            case Base():
                raise AssertionError("the base has no job")

    def _trees(self, top: Layer | None) -> list[str]:
        return [f"{layer.key}/tree" for layer in top.chain()] if top else []

    def _read(self, layer: Layer, path: Path) -> str:
        """Return what is in a file of the image below a layer."""
        for tree in self._trees(layer.below):
            file = self.folder / tree / str(path).lstrip("/")
            if file.is_file():
                return file.read_text()
        raise ImageError(f"{layer.title} names {path}, which no COPY above brings")
