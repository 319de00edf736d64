"""Our end of the guard (`deplite/local/guard.py`): one for a process that has children, started with the first."""

import atexit
import contextlib
import os
import subprocess
import sys
from pathlib import Path

_SCRIPT = Path(__file__).with_name("guard.py")


class Guardian:
    """Tells the guard which process groups are ours; starts it again should somebody have killed it."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        """The process whose children these are: after a fork the child's children are not."""
        self._groups: set[int] = set()
        self._guard: subprocess.Popen[bytes] | None = None

    def add(self, group: int) -> None:
        """Have a process group killed when we die."""
        self._groups.add(group)
        self._tell(f"+{group}\n")

    def discard(self, group: int) -> None:
        """Forget a process group that has ended: its number may soon be somebody else's."""
        self._groups.discard(group)
        self._tell(f"-{group}\n")

    def close(self) -> None:
        """End the guard; groups that still run are killed by it."""
        guard, self._guard = self._guard, None
        if guard is None or guard.stdin is None or self.owner != os.getpid():
            return
        with contextlib.suppress(BrokenPipeError):
            guard.stdin.close()
        guard.wait()

    def _tell(self, line: str) -> None:
        guard = self._guard
        if guard is None or guard.stdin is None or guard.poll() is not None:
            self._start()
            return
        try:
            guard.stdin.write(line.encode())
        except BrokenPipeError:
            self._start()

    def _start(self) -> None:
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
            cwd="/",
        )
        if self._guard.stdin is not None:
            self._guard.stdin.write("".join(f"+{group}\n" for group in sorted(self._groups)).encode())


_current: Guardian | None = None


def guardian() -> Guardian:
    """Return the guardian of this process."""
    global _current
    if _current is None or _current.owner != os.getpid():
        _current = Guardian()
        atexit.register(_current.close)
    return _current
