"""`python -m tests.sessions`: the whole suite as sessions of pytest, two at a time, the longest first.

A test mostly waits for processes: two sessions, each with a control plane of its own, take little more than half of the
time of one. Three at a time would be in each other's way.
"""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.node.trace import Snapshot
from tests.orphans import Orphans
from tests.ports import environment_of

TESTS = Path(__file__).resolve().parent
SESSIONS = {
    "kube": ("kube",),
    "faults": ("faults",),
    "node": ("node",),
    "users": ("e2e", "host"),
    "rest": ("chart", "gitops", "meta", "unit"),
}
AT_ONCE = 2
PATIENCE = 60
"""Seconds that a process which is told to end may take."""
SAID, WIDTH = 4, 240
"""Failures of a session that are said again at the end, and characters of each."""


@dataclass(frozen=True)
class Ended:
    """A session that has ended."""

    code: int
    failures: tuple[str, ...]
    """A line each, as pytest sums them up."""


def folders() -> set[str]:
    """Return the folders of `tests` that have tests."""
    return {path.relative_to(TESTS).parts[0] for path in TESTS.rglob("test_*.py")}


def run(name: str, orphans: Orphans) -> Ended:
    """Run a session and print what it says, each line with its name."""
    paths = (str(TESTS / folder) for folder in SESSIONS[name])
    command = (sys.executable, "-m", "pytest", *sys.argv[1:], *paths)
    session = orphans.start(*command, **environment_of(list(SESSIONS).index(name), len(SESSIONS)))
    assert session.stdout is not None
    failures = []
    for line in session.stdout:
        print(f"[{name}] {line}", end="", flush=True)
        if line.startswith(("FAILED ", "ERROR ")):
            failures.append(line.rstrip())
    return Ended(session.wait(), tuple(failures))


def left(orphans: Orphans, before: Snapshot | None) -> list[str]:
    """Return a line for each thing that the sessions have left behind on this machine."""
    until = time.monotonic() + PATIENCE
    while (living := orphans.living()) and time.monotonic() < until:
        time.sleep(0.2)
    found = [f"a process: {command}" for command in living]
    return found + (Snapshot.take().beyond(before) if before else [])


def main() -> int:
    """Run all; return 0 if all passed and left nothing behind."""
    if unknown := folders() ^ {folder for part in SESSIONS.values() for folder in part}:
        sys.exit(f"In one of the sessions of {__file__}, and in tests/, must be: {', '.join(sorted(unknown))}.")
    before = Snapshot.take() if sys.platform == "linux" and os.geteuid() == 0 else None
    with Orphans() as orphans, ThreadPoolExecutor(AT_ONCE) as pool:
        running = {name: pool.submit(run, name, orphans) for name in SESSIONS}
        try:
            ended = {name: session.result() for name, session in running.items()}
        except KeyboardInterrupt:  # which the sessions had as well, and they stop what they started
            print("Waiting for the sessions to stop …", flush=True)
            pool.shutdown(cancel_futures=True)
            return 130
        behind = left(orphans, before)
    # What failed comes last: many keep only the end of what CI said.
    for name, session in ended.items():
        for failure in session.failures[:SAID]:
            print(f"[{name}] {failure[:WIDTH]}")
    for trace in behind[:SAID]:
        print(f"Left behind: {trace[:WIDTH]}")
    for name, session in ended.items():
        failed = f"failed (pytest ended with {session.code}, {len(session.failures)} failures)"
        print(f"[{name}] {failed if session.code else 'passed'}")
    return int(bool(behind) or any(session.code for session in ended.values()))


if __name__ == "__main__":
    sys.exit(main())
