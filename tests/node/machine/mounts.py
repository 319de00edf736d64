"""Mounts of one machine, in a mount namespace of its own: what its programs write stays in its folder."""

from collections.abc import Iterable
from pathlib import Path

from tests.node.machine.plan import Machine
from tests.node.machine.shell import run

_SETTINGS = {
    "kernel/keys/root_maxbytes": "25000000",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
}
"""What the kubelet demands of settings that the whole machine has: it is shown them, and they stay as they are."""


def make_outer(machines: Iterable[Machine]) -> None:
    """Make those that outlast a power cut: images and containers are in memory, for writing them takes a disk long."""
    for machine in machines:
        machine.images.mkdir(parents=True, exist_ok=True)
        run("mount", "-t", "tmpfs", "-o", "mode=711", "tmpfs", str(machine.images))


def make(machine: Machine) -> None:
    """Make them, in the order in which they hide one another."""
    settings = machine.root / "settings"
    _shown({f"/proc/sys/{name}": settings / name for name in _SETTINGS})
    for name, value in _SETTINGS.items():
        (settings / name).write_text(f"{value}\n")
    run("mount", "--bind", str(machine.boot), "/proc/sys/kernel/random/boot_id")
    run("mount", "--make-rshared", "/")
    run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for folder, ours in {"/var/lib": machine.root / "lib", "/var/log": machine.logs}.items():
        ours.mkdir(mode=0o755, parents=True, exist_ok=True)
        run("mount", "--rbind", str(ours), folder)
    (machine.root / "lib" / "volumes").mkdir(exist_ok=True)
    run("mount", "--bind", str(machine.volumes), "/var/lib/volumes")


def _shown(files: dict[str, Path]) -> None:
    for path, ours in files.items():
        ours.parent.mkdir(parents=True, exist_ok=True)
        ours.touch()
        run("mount", "--bind", str(ours), path)
