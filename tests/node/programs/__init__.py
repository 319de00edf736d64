"""The programs of a node, built from their published sources: `python -m tests.node.programs` gets them all.

kubernetes.py   kubelet, kube-proxy and kube-scheduler, out of the control plane's own `go.mod`
own.py          CoreDNS with few plugins and `pause`, out of the `go.mod` beside this file
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from deplite.local.controlplane.find import Report
from tests import programs
from tests.node.programs import kubernetes, own

__all__ = ["NAMES", "find_or_build"]

NAMES = (*kubernetes.NAMES, *own.NAMES)


async def find_or_build(
    names: Iterable[str] = NAMES,
    report: Report = programs.ignore,
    environment: Mapping[str, str] | None = None,
    caches: Path | None = None,
) -> dict[str, Path]:
    """Return programs by name, and build those first that are not in the cache.

    Args:
        names: which.
        report: told how far each build is.
        environment: in place of ours.
        caches: the folder of Go's caches, where several builds are to share them.

    Raises:
        MissingError: no usable Go, or too little disk.
        BuildError: a build failed.
    """
    wanted = set(names)
    found: dict[str, Path] = {}
    if wanted & set(kubernetes.NAMES):
        found |= await kubernetes.find_or_build(report, environment, caches)
    if wanted & set(own.NAMES):
        found |= await own.find_or_build(report, environment, caches)
    return {name: found[name] for name in NAMES if name in wanted}
