"""The control plane of one machine: etcd, kube-apiserver and kube-controller-manager, unmodified.

Finding or building the programs and running them are two steps:

    programs = await find_or_build(report=…)                       # -> Binaries (find.py, build.py)
    plane = ControlPlane(folder, programs, port)                   # touches nothing yet
    plane.prepare()                                                # folders, keys, tokens, kubeconfig; again and again
    plane.programs()                                               # three `Program`s in the order of starting
    plane.kubeconfig                                               # the administrator's, 0600

The supervisor runs `plane.programs()` with its own restarts. Whoever needs no restarts (the tests) lets the control
plane own its processes: `await plane.start()`, `await plane.stop()`, `plane.processes["etcd"].kill()`.
"""

from deplite.local.controlplane.find import Binaries, find_or_build
from deplite.local.controlplane.run import ControlPlane

__all__ = ["Binaries", "ControlPlane", "find_or_build"]
