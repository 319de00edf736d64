"""Kills what a killed parent left behind; run as a script, it imports nothing of ours.

A parent that dies by SIGKILL cannot stop its children. It holds the writing end of our standard input and tells us of
each process group that it starts (`+GROUP`) and sees end (`-GROUP`); those that were there before us are our arguments.
When it dies, however it dies, the kernel closes that end: we read the end of the file and kill the groups that are
left. Unlike PR_SET_PDEATHSIG this works on macOS, reaches grandchildren, and does not depend on which thread of the
parent started the child.
"""

import os
import signal
import sys
from collections.abc import Iterable


def watch(lines: Iterable[str], known: Iterable[str] = ()) -> set[int]:
    """Return the groups that were still running when the lines ended, of those known before, too."""
    groups = set(map(int, known))
    for line in lines:
        if line.startswith("+"):
            groups.add(int(line[1:]))
        elif line.startswith("-"):
            groups.discard(int(line[1:]))
    return groups


def main() -> None:
    """Watch standard input to its end and kill what is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # we end when the parent does, not before it
    for group in watch(sys.stdin, sys.argv[1:]):
        try:
            os.killpg(group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


if __name__ == "__main__":
    main()
