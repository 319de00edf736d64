"""Writes what a container runtime imports: a layer is a tar of what it changes, an archive images with their layers.

The bytes follow from the content alone: names in order, one time for all, no names of users.
"""

import hashlib
import json
import os
import platform
import stat
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self, cast

from tests.node.images.errors import ImageError
from tests.node.images.instructions import Config

EPOCH = 1577836800
"""The time of every file, and what SOURCE_DATE_EPOCH is in a RUN: the beginning of 2020."""
_CREATED = "2020-01-01T00:00:00Z"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_OPAQUE = "trusted.overlay.opaque"


@dataclass(frozen=True)
class Packed:
    """A layer that is in an archive."""

    name: str
    """Of its tar in the archive."""
    digest: str
    """The hash of that tar, in hex."""


class Archive:
    """A docker-archive in the making; each layer and image is added once.

    Args:
        target: the file, which is whole when the block has ended without an exception.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._manifest: list[dict[str, object]] = []

    def __enter__(self) -> Self:
        self._file = self._target.open("wb")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._file:
            if kind is None:
                self._add("manifest.json", lambda file: file.write(_json(self._manifest)))
                self._file.write(bytes(2 * tarfile.BLOCKSIZE))

    def add_layer(self, tree: Path, name: str) -> Packed:
        """Write the tar of a layer, and return it.

        Args:
            tree: what overlayfs wrote: the files that the layer changes, and its marks for those that it removes.
            name: of the tar.
        """

        def write(file: IO[bytes]) -> None:
            links: dict[tuple[int, int], str] = {}
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                for path, below in _walk(tree):
                    _add(tar, path, below, links)

        return Packed(f"{name}.tar", self._add(f"{name}.tar", write))

    def add_image(self, name: str, config: Config, layers: Sequence[Packed]) -> None:
        """Write an image, whose layers have been added."""
        content = describe(config, layers)
        file_name = f"{hashlib.sha256(content).hexdigest()}.json"
        self._add(file_name, lambda file: file.write(content))
        self._manifest.append({"Config": file_name, "RepoTags": [name], "Layers": [layer.name for layer in layers]})

    def _add(self, name: str, write: Callable[[IO[bytes]], object]) -> str:
        """Write a file whose size and hash are known when it is written, and return the hash."""
        start = self._file.tell()
        self._file.write(bytes(tarfile.BLOCKSIZE))
        counted = _Counted(self._file)
        write(cast(IO[bytes], counted))
        self._file.write(bytes(-counted.size % tarfile.BLOCKSIZE))
        info = _entry(name, 0o644)
        info.size = counted.size
        self._file.seek(start)
        self._file.write(info.tobuf(tarfile.GNU_FORMAT))  # which has a way to say more than eight gigabytes
        self._file.seek(0, os.SEEK_END)
        return counted.hash.hexdigest()


class _Counted:
    """Passes on what is written, and knows how much it was and its hash."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.size = 0
        self.hash = hashlib.sha256()

    def write(self, content: bytes) -> int:
        self.size += len(content)
        self.hash.update(content)
        return self._file.write(content)

    def tell(self) -> int:
        return self.size


def _walk(tree: Path) -> Iterator[tuple[Path, str]]:
    """Yield all below a folder, folders before what is in them."""
    for entry in sorted(os.scandir(tree), key=lambda one: os.fsencode(one.name)):
        path = Path(entry.path)
        yield path, entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from ((below, f"{entry.name}/{name}") for below, name in _walk(path))


def _add(tar: tarfile.TarFile, path: Path, name: str, links: dict[tuple[int, int], str]) -> None:
    found = path.lstat()
    kind = stat.S_IFMT(found.st_mode)
    if kind == stat.S_IFCHR and found.st_rdev == 0:
        folder, _, last = name.rpartition("/")
        tar.addfile(_entry(f"{folder}/.wh.{last}".lstrip("/"), 0o644))
        return
    info = _entry(name, stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid)
    match kind:
        case stat.S_IFDIR:
            info.type = tarfile.DIRTYPE
            tar.addfile(info)
            if _OPAQUE in os.listxattr(path, follow_symlinks=False):
                tar.addfile(_entry(f"{name}/.wh..wh..opq", 0o644))
        case stat.S_IFLNK:
            info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)
            tar.addfile(info)
        case stat.S_IFREG:
            first = links.setdefault((found.st_dev, found.st_ino), name)
            if first != name:
                info.type, info.linkname = tarfile.LNKTYPE, first
                tar.addfile(info)
                return
            info.size = found.st_size
            with path.open("rb") as file:
                tar.addfile(info, file)
        case _:
            raise ImageError(f"an image holds files, folders and links only, and {name} is something else")


def _entry(name: str, mode: int, uid: int = 0, gid: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.mode, info.uid, info.gid, info.mtime = mode, uid, gid, EPOCH
    return info


def describe(config: Config, layers: Sequence[Packed]) -> bytes:
    """Return the configuration of an image as runtimes read it (OCI image specification, image-spec/config.md)."""
    started = {
        "Env": [f"{name}={value}" for name, value in config.environment.items()],
        "User": config.user,
        "WorkingDir": config.folder,
        "ExposedPorts": {port: {} for port in config.ports},
        "Volumes": {folder: {} for folder in config.volumes},
        "Entrypoint": list(config.entrypoint),
        "Cmd": list(config.command),
    }
    return _json(
        {
            "architecture": _MACHINES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "created": _CREATED,
            "config": {name: value for name, value in started.items() if value},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.digest}" for layer in layers]},
            "history": [{"created": _CREATED} for _ in layers],
        }
    )


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
