"""The machines of these tests leave nothing of themselves on this computer."""

import os
from pathlib import Path

import pytest

from tests.host.debian import debian
from tests.host.machine import running
from tests.host.needs import hierarchy
from tests.host.site import Site

SETTINGS = (
    "kernel/pid_max",
    "kernel/core_pattern",
    "fs/file-max",
    "fs/nr_open",
    "fs/protected_symlinks",
    "kernel/hostname",
)


def state() -> list[str]:
    """Return what a machine could have changed."""
    top = hierarchy()
    assert top is not None
    groups = sorted(str(path) for path in top.glob("deplite-machine-*"))
    settings = [Path("/proc/sys", name).read_text() for name in SETTINGS]
    return [*groups, *settings, Path("/proc/self/mounts").read_text()]


async def test_it_comes_and_goes_without_a_trace(site: Site) -> None:
    before = state()
    system = await debian()
    async with running(system, site.shared, "guest") as machine:
        assert await machine.run("hostname; cat /etc/hostname; touch /usr/mine; systemctl is-system-running") == (
            "guest\nguest\nrunning"
        )
        assert len(state()) == len(before) + 1
    assert state() == before
    with pytest.raises(ProcessLookupError):
        os.kill(machine.pid, 0)
    assert "mine" not in os.listdir(system / "usr")
