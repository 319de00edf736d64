"""Networks: a bridge in the outer one, a pair of interfaces from it into each machine, and no way out of it at all."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from deplite.local.errors import StartError
from tests.node.machine.plan import GATEWAY, SERVICES, Machine
from tests.node.machine.shell import run

BRIDGE = "machines"
_INSIDE = "eth0"


def make_outer() -> None:
    """Bring up the outer network, in which this process is."""
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", BRIDGE, "type", "bridge")
    run("ip", "address", "add", f"{GATEWAY}/24", "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")


def attach(machine: Machine, pid: int) -> None:
    """Connect the outer network with that of a machine's process; what is left of an earlier one goes."""
    while f" {machine.name}@" in run("ip", "-oneline", "link", "show"):
        with suppress(StartError):  # the kernel takes it away as well, and may have been first
            run("ip", "link", "delete", machine.name)
    run("ip", "link", "add", machine.name, "type", "veth", "peer", "name", _INSIDE, "netns", str(pid))
    run("ip", "link", "set", machine.name, "master", BRIDGE, "up")
    run("ip", "route", "replace", machine.pods, "via", machine.address)


def is_attached() -> bool:
    """Tell whether this process's network has been connected."""
    return f" {_INSIDE}@" in run("ip", "-oneline", "link", "show")


def make_inner(machine: Machine, others: Iterable[Machine]) -> None:
    """Bring up a machine's network, in which this process is; it knows the ways to the other machines' pods."""
    run("ip", "link", "set", "lo", "up")
    run("ip", "address", "add", f"{machine.address}/24", "dev", _INSIDE)
    run("ip", "link", "set", _INSIDE, "up")
    # kube-proxy rewrites what goes there, but only what has a way at all.
    run("ip", "route", "add", SERVICES, "via", GATEWAY)
    for other in others:
        run("ip", "route", "add", other.pods, "via", other.address)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    Path("/proc/sys/net/bridge/bridge-nf-call-iptables").write_text("1")
