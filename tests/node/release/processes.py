"""The processes behind pods, as this machine sees them."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROC = Path("/proc")


@dataclass(frozen=True)
class PodProcess:
    """The first process of a container."""

    pid: int

    @property
    def status(self) -> dict[str, str]:
        """What the kernel says of it."""
        lines = (PROC / str(self.pid) / "status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    @property
    def is_first(self) -> bool:
        """Whether it is the first one of its pod, or of its container where they share none."""
        try:
            return self.status["NSpid"].split()[-1] == "1"
        except (FileNotFoundError, ProcessLookupError):  # it has ended
            return False

    @property
    def root_is_read_only(self) -> bool:
        """Whether nothing can be written where nothing else is mounted."""
        for line in (PROC / str(self.pid) / "mountinfo").read_text().splitlines():
            _, _, _, _, place, options, *_ = line.split()
            if place == "/":
                return "ro" in options.split(",")
        raise AssertionError(f"process {self.pid} has no root")

    def kill(self) -> None:
        """kill -9."""
        os.kill(self.pid, signal.SIGKILL)


def process_of(pod: dict[str, Any]) -> PodProcess:
    """Return the first process of a pod's first container.

    Raises:
        AssertionError: there is none, or more than one.
    """
    found = [one for one in processes_of(pod) if one.is_first]
    assert len(found) == 1, f"{pod['metadata']['name']} has {len(found)} first processes"
    return found[0]


def processes_of(pod: dict[str, Any]) -> list[PodProcess]:
    """Return all processes of a pod's first container."""
    mark = pod["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
    return [PodProcess(int(entry.name)) for entry in PROC.iterdir() if entry.name.isdigit() and _is_of(entry, mark)]


def _is_of(entry: Path, mark: str) -> bool:
    try:
        return mark in (entry / "cgroup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
