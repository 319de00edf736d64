"""Files that must survive a crash whole, or not be there at all."""

import contextlib
import os
from pathlib import Path


def write_whole(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Replace a file in one step, synced to the disk before it gets its name."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        _write_new(temporary, content, mode)
        temporary.rename(path)
    except OSError:
        with contextlib.suppress(OSError):  # what a full disk took of it would only make it fuller
            temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def reserve(path: Path, size: int) -> None:
    """Make a file that takes up so many bytes of the disk: removing it makes room for what must be written.

    Raises:
        OSError: the disk has no room for it.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        write_all(descriptor, bytes(size))
    finally:
        os.close(descriptor)


def sync(path: Path) -> None:
    """Make what is in a file, or the names in a folder, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_private(path: Path) -> None:
    """Make a folder that only its owner can look into."""
    path.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(PermissionError):  # a folder that somebody else owns, with access for us
        path.chmod(0o700)


def _write_new(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        os.fchmod(descriptor, mode)
        write_all(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of it, however many calls that takes."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
