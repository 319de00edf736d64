"""What a machine lacks is named by the packages that bring it."""

import os
import platform
from pathlib import Path

import pytest

from tests.node import needs
from tests.node.needs import lacking_packages


def test_a_machine_without_programs_lacks_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert lacking_packages() >= {"containerd", "iproute2", "iptables", "runc", "util-linux"}


def test_a_machine_whose_bridges_know_no_iptables_is_told_of_the_module(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(needs, "lacking_packages", set)
    monkeypatch.setattr(needs, "_BRIDGE", tmp_path / "bridge-nf-call-iptables")
    assert needs.missing() == "a node of Kubernetes needs bridges whose packets iptables sees: modprobe br_netfilter"
