"""A shell in the node's network, which knows the cluster's names, its kubectl and Helm."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chart.chart import NAMESPACE
from tests.e2e.walkthrough.walking import opened_shell
from tests.node.release.installed import Installed
from tests.shell import Shell

NAMES = f"""\
nameserver 10.96.0.10
search {NAMESPACE}.svc.cluster.local svc.cluster.local cluster.local
options ndots:5
"""
"""As a pod of the release has it."""


@contextmanager
def resolving_shell(installed: Installed, folder: Path, api: str = "") -> Iterator[Shell]:
    """A shell on a machine, to type at; an agent that is started there connects to `api`."""
    (folder / "resolv.conf").write_text(NAMES)
    argv = ("nsenter", f"--target={installed.node.machines['node-1'].pid}", "--net", "--", "unshare", "--mount")
    argv += ("bash", "-ec", 'mount --bind "$0" /etc/resolv.conf; exec bash --norc', "resolv.conf")
    tools = os.pathsep.join([str(Path(sys.executable).parent), str(installed.helm.program.parent), os.environ["PATH"]])
    more = {"PATH": tools, "HOME": str(folder), "KUBECONFIG": str(installed.kubeconfig)}
    with opened_shell(folder, api, argv, **more) as shell:
        yield shell
