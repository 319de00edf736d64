"""Our end of the guard (`deplite/local/guard.py`): one for a process that has children, started with the first."""

import atexit
import contextlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

_SCRIPT = Path(__file__).with_name("guard.py")
_PAUSE = 0.5
"""Seconds before a guard that somebody killed is replaced."""


class Guardian:
    """Tells the guard which process groups are ours; starts another should somebody have killed it."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        """The process whose children these are: after a fork the child's children are not."""
        self._groups: set[int] = set()
        self._guard: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def add(self, group: int) -> None:
        """Have a process group killed when we die."""
        with self._lock:
            self._groups.add(group)
            if self._guard is None:
                self._start()
            else:
                self._tell(f"+{group}\n")

    def discard(self, group: int) -> None:
        """Forget a process group that has ended: its number may soon be somebody else's."""
        with self._lock:
            self._groups.discard(group)
            self._tell(f"-{group}\n")

    def close(self) -> None:
        """End the guard, which kills the groups that still run."""
        with self._lock:
            guard, self._guard = self._guard, None
        if guard is not None and guard.stdin is not None and self.owner == os.getpid():
            with contextlib.suppress(OSError):
                guard.stdin.close()
            guard.wait()

    def _start(self) -> None:
        guard = subprocess.Popen(
            # Those that there are it knows from its first moment on: we may die before we can tell it.
            [sys.executable, "-I", "-S", str(_SCRIPT), *map(str, sorted(self._groups))],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
            cwd="/",
        )
        self._guard = guard
        threading.Thread(target=self._watch, args=(guard,), name="guard", daemon=True).start()

    def _tell(self, lines: str) -> None:
        if self._guard is not None and self._guard.stdin is not None:
            # Killed: the watch sees it, and starts the next one with all there is to know.
            with contextlib.suppress(OSError):
                self._guard.stdin.write(lines.encode())

    def _watch(self, guard: subprocess.Popen[bytes]) -> None:
        guard.wait()
        time.sleep(_PAUSE)
        with self._lock:
            if self._guard is guard:
                if guard.stdin is not None:
                    guard.stdin.close()
                self._start()


_current: Guardian | None = None


def guardian() -> Guardian:
    """Return the guardian of this process."""
    global _current
    if _current is None or _current.owner != os.getpid():
        _current = Guardian()
        atexit.register(_current.close)
    return _current
