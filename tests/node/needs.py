"""What a machine must have to run a node of Kubernetes, besides what we build."""

import os
import platform
import re
import shutil
from pathlib import Path

_PROGRAMS = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "ip": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
}
_BYTES = 4 << 30
"""Of memory: a cluster of two machines takes one gibibyte, and our images two gibibytes a machine."""
_BRIDGE = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
"""Pods of one machine are behind a bridge, and reach each other by Services, which are rules of iptables."""
_FILES = {Path("/usr/lib/cni/bridge"): "containernetworking-plugins"}


def missing() -> str | None:
    """Return in one line what this machine lacks; None where nothing is missing."""
    if platform.system() != "Linux" or os.geteuid() != 0:
        return "a node of Kubernetes runs on Linux by root: its pods have namespaces and cgroups of their own"
    packages = lacking_packages()
    if packages:
        return f"a node of Kubernetes needs more: apt-get install {' '.join(sorted(packages))}"
    if not _BRIDGE.exists():
        return "a node of Kubernetes needs bridges whose packets iptables sees: modprobe br_netfilter"
    free = _available()
    if free < _BYTES:
        return f"a node of Kubernetes needs {_BYTES >> 30} GiB of memory, and {free / (1 << 30):.1f} GiB are free"
    return None


def lacking_packages() -> set[str]:
    """Return the packages of Debian whose programs are not here."""
    packages = {package for program, package in _PROGRAMS.items() if shutil.which(program) is None}
    return packages | {package for file, package in _FILES.items() if not file.exists()}


def _available() -> int:
    found = re.search(r"^MemAvailable: +(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return int(found[1]) << 10 if found else _BYTES
