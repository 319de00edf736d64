"""Disks that fail: full ones, and ones that tear or change what was written."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def full_disk(room: int = 0) -> Iterator[None]:
    """Have every file end after so many bytes: a write beyond fails as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def last_lines(path: Path, count: int = 3) -> range:
    """Return the offsets of every byte of the last records of a file."""
    content = path.read_bytes()
    starts = [0, *(at + 1 for at, byte in enumerate(content) if byte == 10)]
    return range(starts[max(0, len(starts) - 1 - count)], len(content))


def cut(path: Path, at: int) -> None:
    """Lose all bytes from an offset on."""
    path.write_bytes(path.read_bytes()[:at])


def flip(path: Path, at: int, bit: int) -> None:
    """Change one bit of the byte at an offset."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1 << bit
    path.write_bytes(content)
