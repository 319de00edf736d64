"""Runs a short command of the system, and says which one failed."""

import subprocess

from deplite.local.errors import StartError


def run(*argv: str) -> str:
    """Return what a command prints.

    Raises:
        StartError: it failed; the message has what it said.
    """
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise StartError(f"`{' '.join(argv)}` ended with {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return done.stdout
