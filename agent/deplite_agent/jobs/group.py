"""Process groups of steps: stopped whole, also those that a killed agent left behind."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

from deplite_agent.jobs.environment import JOB_VARIABLE

GRACE_SECONDS = 10.0
"""Between SIGTERM and SIGKILL."""
_POLL_SECONDS = 0.05


async def stop_group(group: int, grace: float = GRACE_SECONDS) -> None:
    """End every process of a group: SIGTERM, after the grace SIGKILL."""
    if not signal_group(group, signal.SIGTERM):
        return
    if not await gone(group, grace):
        signal_group(group, signal.SIGKILL)


async def gone(group: int, seconds: float) -> bool:
    """Wait until nobody of a group is left, or for so long; says whether that is so."""
    deadline = asyncio.get_running_loop().time() + seconds
    while group_lives(group):
        if asyncio.get_running_loop().time() >= deadline:
            return False
        await asyncio.sleep(_POLL_SECONDS)
    return True


def signal_group(group: int, number: int) -> bool:
    """Send a signal to a group; False if nobody of it is left."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def group_lives(group: int) -> bool:
    """Whether a process of the group is left; one that ended and was not waited for does not count on Linux."""
    if not signal_group(group, 0):
        return False
    return _members(group) != [] if sys.platform == "linux" else True


def kill_leftovers(group: int, job_id: str) -> bool:
    """Kill a group that an earlier agent started, if it is still that one: its number may be somebody else's by now.

    Returns:
        Whether there was something to kill.
    """
    if sys.platform != "linux":
        return False  # no way to see whose it is without further programs
    if not any(_is_of_job(pid, job_id) for pid in _members(group)):
        return False
    return signal_group(group, signal.SIGKILL)


def _members(group: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        with contextlib.suppress(OSError, IndexError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            # After the name: state, parent, group (proc(5)).
            if int(fields[2]) == group and fields[0] not in ("Z", "X"):
                found.append(int(entry.name))
    return found


def _is_of_job(pid: int, job_id: str) -> bool:
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    return f"{JOB_VARIABLE}={job_id}".encode() in variables
