"""What a computer must have so that machines with a systemd of their own can run on it."""

import os
import shutil
from pathlib import Path

_PROGRAMS = {"mmdebstrap": "mmdebstrap", "nsenter": "util-linux", "setpriv": "util-linux", "unshare": "util-linux"}


def missing() -> str | None:
    """Return in one line what this computer lacks; None where nothing is missing."""
    if os.geteuid() != 0:
        return "a machine with a systemd of its own needs root: it has namespaces and a cgroup"
    packages = {package for program, package in _PROGRAMS.items() if shutil.which(program) is None}
    if packages:
        return f"a machine with a systemd of its own needs more: apt-get install {' '.join(sorted(packages))}"
    if hierarchy() is None:
        return "a machine with a systemd of its own needs cgroup v2, which is mounted nowhere here"
    return None


def hierarchy() -> Path | None:
    """Return where cgroup v2 is mounted."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(where)
    return None
