"""`python -m tests.halves`: the whole suite as two sessions of pytest, side by side.

A test mostly waits for processes: two sessions, each with a control plane of its own, take little more than half of the
time of one.
"""

import subprocess
import sys
import threading
from pathlib import Path

TESTS = Path(__file__).resolve().parent
HALVES = {
    "1": ("faults", "e2e"),
    "2": ("kube", "chart", "gitops", "meta", "unit"),
}


def folders() -> set[str]:
    """Return the folders of `tests` that have tests."""
    return {path.relative_to(TESTS).parts[0] for path in TESTS.rglob("test_*.py")}


def show(name: str, session: subprocess.Popen[str]) -> None:
    """Print what a session says, each line with its number."""
    assert session.stdout is not None
    for line in session.stdout:
        print(f"[{name}] {line}", end="", flush=True)


def main() -> int:
    """Run both; return 0 if both passed."""
    if left := folders() ^ {folder for half in HALVES.values() for folder in half}:
        sys.exit(f"In one of the halves of {__file__}, and in tests/, must be: {', '.join(sorted(left))}.")
    sessions = {
        name: subprocess.Popen(
            [sys.executable, "-m", "pytest", *sys.argv[1:], *(str(TESTS / folder) for folder in half)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        for name, half in HALVES.items()
    }
    readers = [threading.Thread(target=show, args=pair) for pair in sessions.items()]
    for reader in readers:
        reader.start()
    try:
        for reader in readers:
            reader.join()
    except KeyboardInterrupt:  # which the sessions had as well, and they stop what they started
        print("Waiting for both sessions to stop …", flush=True)
    ended = {name: session.wait() for name, session in sessions.items()}
    for name, code in ended.items():
        print(f"[{name}] {' '.join(HALVES[name])}: {'passed' if code == 0 else f'failed (pytest ended with {code})'}")
    return int(any(ended.values()))


if __name__ == "__main__":
    sys.exit(main())
