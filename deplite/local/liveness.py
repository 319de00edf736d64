"""Whether a process is still the one we started: a pid alone may belong to somebody else by now."""

import os
import subprocess
import sys
from pathlib import Path


def birth(pid: int) -> str:
    """Return when a process began, in the system's own words; empty if there is no such process (or only a zombie)."""
    if sys.platform == "linux":
        return _linux_birth(pid)
    shown = subprocess.run(["ps", "-o", "lstart=,state=", "-p", str(pid)], capture_output=True, text=True, check=False)
    words = shown.stdout.split()
    return "" if not words or words[-1].startswith("Z") else " ".join(words[:-1])


def _linux_birth(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    # The command's name, in parentheses, may hold anything; what follows it is state, ppid, … (proc(5)).
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in {"Z", "X"} else fields[19]


def is_alive(pid: int | None, born: str) -> bool:
    """Return whether the process that began then still runs."""
    return pid is not None and born != "" and birth(pid) == born


def send(pid: int, born: str, signal_number: int) -> bool:
    """Send a signal to the process that began then; False if it is gone."""
    if not is_alive(pid, born):
        return False
    try:
        os.kill(pid, signal_number)
    except ProcessLookupError:
        return False
    return True
