"""What a cluster could leave on this machine: looked at before and after."""

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.node.machine import groups
from tests.processes import children, command_of

_SETTINGS = ("abi", "dev", "fs", "kernel", "net", "user", "vm")
_COUNTED = re.compile(
    "|".join(
        (
            "fs/(aio-nr|dentry-state|file-nr|inode-nr|inode-state|quota/.*)",
            "kernel/(hung_task_detect_count|hung_task_warnings|ns_last_pid|perf_event_max_sample_rate|pty/nr|tainted)",
            "kernel/random/.*",
            "net/netfilter/nf_conntrack_count",
        )
    )
)
"""What the kernel counts and measures there, rather than has set."""
_FOLDERS = ("/etc/cni", "/opt", "/run", "/run/netns", "/usr/libexec/kubernetes", "/var/lib", "/var/log")


@dataclass(frozen=True)
class Snapshot:
    """This machine at one moment."""

    mounts: tuple[str, ...]
    interfaces: frozenset[str]
    settings: dict[str, str]
    files: frozenset[str]
    """In the folders that programs of Kubernetes use."""
    groups: frozenset[str]
    """Cgroups of clusters that nobody keeps."""

    @classmethod
    def take(cls) -> "Snapshot":
        """Look."""
        return cls(
            tuple(Path("/proc/self/mounts").read_text().splitlines()),
            frozenset(os.listdir("/sys/class/net")),
            dict(_settings()),
            frozenset(
                f"{folder}/{name}" for folder in _FOLDERS if Path(folder).exists() for name in os.listdir(folder)
            ),
            frozenset(str(path) for path in groups.found() if not groups.is_keeper(groups.keeper_in(path.name))),
        )

    def beyond(self, before: "Snapshot") -> list[str]:
        """Return a line for each thing that is here and was not before, and for each setting that is another."""
        return [
            *(f"a mount: {mount}" for mount in self.mounts if mount not in before.mounts),
            *(f"a network interface: {name}" for name in sorted(self.interfaces - before.interfaces)),
            *(f"a file: {path}" for path in sorted(self.files - before.files)),
            *(f"a cgroup: {group}" for group in sorted(self.groups - before.groups)),
            *(
                f"a setting: {name} is {value.strip()!r}, and was {before.settings[name].strip()!r}"
                for name, value in sorted(self.settings.items())
                if name in before.settings and before.settings[name] != value
            ),
        ]


class Inside:
    """All processes in the process namespaces below a process, also those that begin later.

    The namespaces are held open: else their numbers could soon be those of somebody else's.
    """

    def __init__(self, pid: int) -> None:
        self._held: list[int] = []
        waiting, known = [pid], {_namespace(os.getpid()), None}
        while waiting:
            parent = waiting.pop()
            waiting += children(parent)
            if (found := _namespace(parent)) not in known:
                with suppress(OSError):  # it has ended
                    self._held.append(os.open(f"/proc/{parent}/ns/pid", os.O_RDONLY))
                    known.add(found)

    def processes(self) -> list[str]:
        """Return those that live."""
        wanted = {os.fstat(held).st_ino for held in self._held}
        return [command_of(pid) for pid in _pids() if _namespace(pid) in wanted]

    def close(self) -> None:
        """Let the namespaces go."""
        for held in self._held:
            os.close(held)


def processes_of(folder: Path) -> list[str]:
    """Return the processes that a cluster in this folder would have."""
    return [said for pid in _pids() if str(folder) in (said := command_of(pid))]


def _settings() -> Iterable[tuple[str, str]]:
    for top in _SETTINGS:
        for path in Path("/proc/sys", top).rglob("*"):
            name = path.relative_to("/proc/sys").as_posix()
            if not _COUNTED.fullmatch(name):
                try:
                    yield name, path.read_text()
                except (OSError, UnicodeDecodeError):
                    continue  # a folder, or only to be written


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _namespace(pid: int) -> int | None:
    try:
        return os.stat(f"/proc/{pid}/ns/pid").st_ino
    except OSError:
        return None  # it has ended
