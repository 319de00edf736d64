"""A shell that is typed at: one bash, whose variables and background jobs stay."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

BASH = ("bash", "--noprofile", "--norc")
DONE, ENDED = "@@ done", "@@ ended"


class Shell:
    """One bash."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child = child
        self.type(f"trap \"echo; echo '{ENDED}'\" EXIT")  # what runs in the background would keep its output open

    def type(self, text: str) -> str:
        """Run the lines and return what they printed.

        Raises:
            AssertionError: the shell ended; with `-e` it does at the first command that fails.
        """
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(f"{text}\necho; echo '{DONE}'\n")
        self._child.stdin.flush()
        lines: list[str] = []
        for line in self._child.stdout:
            if line == f"{DONE}\n":
                return "".join(lines).strip()
            if line == f"{ENDED}\n":
                break
            lines.append(line)
        raise AssertionError(f"{text}\nended the shell:\n{''.join(lines)}")


@contextmanager
def opened(argv: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Iterator[Shell]:
    """A shell; what still runs in it at the end is told to end.

    Args:
        argv: what starts it.
        folder: where it begins.
        environment: all its variables.
    """
    with subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        env=environment,
        start_new_session=True,
    ) as child:
        try:
            yield Shell(child)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGTERM)
