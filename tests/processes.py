"""Children and commands of processes, as Linux tells them."""

from contextlib import suppress
from glob import glob
from pathlib import Path


def children(pid: int) -> list[int]:
    """Return the children of a process, whichever of its threads started them; those that have ended are in it too."""
    found: list[int] = []
    for path in glob(f"/proc/{pid}/task/*/children"):
        with suppress(OSError):  # the thread has ended
            found += map(int, Path(path).read_text().split())
    return found


def child_of(pid: int) -> int | None:
    """Return the first child of a process, if it has one."""
    return next(iter(children(pid)), None)


def command_of(pid: int) -> str:
    """Return the command line of a process, in words; nothing where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
