"""Processes that outlive the one that started them: on Linux they become ours, so none gets lost."""

import ctypes
import os
import subprocess
import sys
import threading
from types import TracebackType
from typing import Self

from tests.processes import children, command_of

_PR_SET_CHILD_SUBREAPER = 36
"""See prctl(2): whose parent ends becomes a child of ours instead of the first process's."""


class Orphans:
    """Adopts them as long as the block runs, and reaps those that have ended; on Linux only."""

    def __init__(self) -> None:
        self._own: set[int] = set()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._reaper = threading.Thread(target=self._reap)

    def __enter__(self) -> Self:
        if sys.platform == "linux":
            if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "prctl: this process cannot adopt orphans")
            self._reaper.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._reaper.ident is not None:
            self._reaper.join()

    def start(self, *command: str, **environment: str) -> "subprocess.Popen[str]":
        """Start a child of our own, which the caller waits for; what it prints, errors too, is at its `stdout`."""
        with self._lock:  # else it could be taken for an orphan
            child = subprocess.Popen(
                command,
                env=os.environ | environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
            self._own.add(child.pid)
        return child

    def living(self) -> list[str]:
        """Return a line each of those that live."""
        with self._lock:
            return [f"{pid} {command_of(pid)}" for pid in self._adopted() if not _reaped(pid)]

    def _adopted(self) -> list[int]:
        if sys.platform != "linux":
            return []
        return sorted(set(children(os.getpid())) - self._own)

    def _reap(self) -> None:
        while not self._over.wait(0.1):
            with self._lock:
                for pid in self._adopted():
                    _reaped(pid)


def _reaped(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True
