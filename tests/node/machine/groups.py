"""The cgroups under which the machines make those of their pods: outside of all namespaces, so they are removed by us.

The folder is named after the process that keeps it: what one left behind that was killed is found and removed.
"""

import os
import re
import time
from collections.abc import Iterable
from pathlib import Path

from deplite.local.errors import LocalError

KEEPER = "tests.node.machine.keeper"
"""The module that a keeper runs."""
PREFIX = "deplite-node-"
MOUNTS = Path("/proc/self/mounts")
_COPIED = ("cpuset.cpus", "cpuset.mems")
"""A new cgroup of version 1 has none, and takes no process until it has."""
_HANDED = {"cpu", "cpuset", "hugetlb", "memory", "pids"}
"""Controllers of version 2 that a kubelet wants its cgroup to have, as far as the machine has them."""
_WEIGHTS = {"cpu.shares": "4096", "cpu.weight": "400"}
"""All pods together weigh as much as four other sessions: probes have deadlines, whatever runs beside the machines."""
_SECONDS = 20.0


def name_of(keeper: int) -> str:
    """Return the name of a keeper's cgroup."""
    return f"{PREFIX}{keeper}"


def keeper_in(name: str) -> int:
    """Return whose cgroup this is."""
    return int(name.removeprefix(PREFIX))


def make(name: str, children: Iterable[str], mounts: Path = MOUNTS) -> None:
    """Make a cgroup with children in each hierarchy.

    Raises:
        OSError: one cannot be made, or gets no controllers.
    """
    found = hierarchies(mounts)
    for root, version in found.items():
        for group in (root / name, *(root / name / child for child in children)):
            group.mkdir(exist_ok=True)
            if version == 1:
                _copy(group)
            elif set(found.values()) == {2}:  # else those of version 1 have the controllers
                _hand_down(group.parent)
        for file, weight in _WEIGHTS.items():
            if (root / name / file).exists():
                (root / name / file).write_text(weight)


def remove(name: str) -> None:
    """Remove a cgroup and all in it, from each hierarchy; waits until the processes in it are gone.

    Raises:
        LocalError: a process in it goes on living.
    """
    deadline = time.monotonic() + _SECONDS
    while left := [path for path in found() if path.name == name and not _removed(path)]:
        if time.monotonic() > deadline:
            raise LocalError(f"{left[0]} has processes that do not end; end them, then remove it with rmdir")
        time.sleep(0.05)


def sweep() -> None:
    """Remove those whose keeper is dead.

    Raises:
        LocalError: a process in one goes on living.
    """
    for name in {path.name for path in found()}:
        if not is_keeper(keeper_in(name)):
            remove(name)


def is_keeper(pid: int) -> bool:
    """Tell whether a process is one of our keepers."""
    try:
        return KEEPER.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def found() -> list[Path]:
    """Return those that there are, in all hierarchies."""
    return [
        path for root in hierarchies() for path in root.glob(f"{PREFIX}*") if re.fullmatch(rf"{PREFIX}\d+", path.name)
    ]


def hierarchies(mounts: Path = MOUNTS) -> dict[Path, int]:
    """Return where the hierarchies are mounted, and the version of each."""
    lines = [line.split() for line in mounts.read_text().splitlines()]
    versions = {"cgroup": 1, "cgroup2": 2}
    return {Path(point): versions[kind] for _, point, kind, *_ in lines if kind in versions}


def _copy(group: Path) -> None:
    for file in _COPIED:
        if (group / file).exists() and not (group / file).read_text().strip():
            (group / file).write_text((group.parent / file).read_text())


def _hand_down(group: Path) -> None:
    """Let the children of a cgroup have its controllers."""
    file = group / "cgroup.subtree_control"
    if lacking := _HANDED & {*(group / "cgroup.controllers").read_text().split()} - {*file.read_text().split()}:
        file.write_text(" ".join(f"+{controller}" for controller in sorted(lacking)))


def _removed(group: Path) -> bool:
    try:
        for folder, _, _ in os.walk(group, topdown=False):
            os.rmdir(folder)
    except OSError:
        return False  # a process in it is about to end
    return True
