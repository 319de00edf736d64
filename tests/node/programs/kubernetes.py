"""Finds the programs of a Kubernetes node in our cache, else builds them into it.

They lie beside those of the control plane, and where these are missing as well one build makes all six: compiling
what they share is most of the work.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from deplite.local.controlplane import find
from deplite.local.controlplane.build import build
from deplite.local.controlplane.find import Report, cache_folder, search, search_folder
from deplite.local.controlplane.recipe import CONTROL_PLANE

NAMES = ("kubelet", "kube-proxy", "kube-scheduler")
RECIPE = replace(
    CONTROL_PLANE,
    title="the control plane and a node",
    packages={**CONTROL_PLANE.packages, **{name: f"k8s.io/kubernetes/cmd/{name}" for name in NAMES}},
)


async def find_or_build(
    report: Report, environment: Mapping[str, str] | None = None, caches: Path | None = None
) -> dict[str, Path]:
    """Return the paths of the node's programs by name; builds what is missing of them and of the control plane.

    Raises:
        MissingError: no usable Go, or too little disk.
        BuildError: the build failed.
    """
    chosen = os.environ if environment is None else environment
    folder = cache_folder(chosen)
    found = search_folder(folder, NAMES)
    missing = [name for name in (*find.NAMES, *NAMES) if name not in found | search(chosen)]
    if missing:
        found |= await build(missing, folder, chosen, report, RECIPE, caches)
    return {name: found[name] for name in NAMES}
