"""Finds the programs of the control plane: `KUBEBUILDER_ASSETS`, then our cache, else they are built into it."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

VERSION = "1.36.2"
"""Of Kubernetes; `go.mod` beside this file says the same."""
NAMES = ("etcd", "kube-apiserver", "kube-controller-manager")


@dataclass(frozen=True)
class Binaries:
    """The paths of the three programs."""

    etcd: Path
    kube_apiserver: Path
    kube_controller_manager: Path


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder of the built programs, which need not exist: `$XDG_CACHE_HOME/deplite/kubernetes-VERSION`."""
    named = environment.get("XDG_CACHE_HOME", "")
    # The specification: a relative path there is to be ignored.
    root = Path(named) if named.startswith("/") else Path(environment.get("HOME") or Path.home()) / ".cache"
    return root / "deplite" / f"kubernetes-{VERSION}"


def search(environment: Mapping[str, str]) -> dict[str, Path]:
    """Return which programs are there, by name.

    `KUBEBUILDER_ASSETS` is envtest's folder; what it lacks (usually the controller manager) is taken from our cache.
    """
    assets = environment.get("KUBEBUILDER_ASSETS", "")
    given = search_folder(Path(assets), NAMES) if assets else {}
    return search_folder(cache_folder(environment), NAMES) | given


def search_folder(folder: Path, names: Iterable[str]) -> dict[str, Path]:
    """Return which of these programs a folder has, by name."""
    programs = {name: folder.absolute() / name for name in names}
    return {name: path for name, path in programs.items() if path.is_file() and os.access(path, os.X_OK)}


Report = Callable[[float, float, str], None]
"""Told how far the build is: done, total, and what is under way with the time that is left."""


def _ignore(done: float, total: float, note: str) -> None:
    """Show nothing."""


async def find_or_build(report: Report = _ignore, environment: Mapping[str, str] | None = None) -> Binaries:
    """Return the programs, and build those that are nowhere first (about three minutes on two cores, once).

    Args:
        report: called often while building, never when all are found.
        environment: in place of ours.

    Raises:
        MissingError: no usable Go, or too little disk.
        BuildError: the build failed.
    """
    chosen = os.environ if environment is None else environment
    found = search(chosen)
    missing = [name for name in NAMES if name not in found]
    if missing:
        # Imported when needed: a start from a warm cache loads none of it.
        from deplite.local.controlplane.build import build

        found |= await build(missing, cache_folder(chosen), chosen, report)
    return Binaries(found["etcd"], found["kube-apiserver"], found["kube-controller-manager"])
