"""What is to be built from published sources: which modules, which packages of them, and what they are called."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deplite.local.controlplane.find import VERSION


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Programs that one `go.mod` pins, built together."""

    title: str
    """What they are, for people."""
    sources: Path
    """The folder of `go.mod` and `go.sum`, which pin every source by its hash."""
    packages: Mapping[str, str]
    """The Go package of each program, by the program's name."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    """How Go names a program where that is not the program's name."""
    files: tuple[str, ...] = ("go.mod", "go.sum")
    """What of that folder the build needs: programs of our own have their source there as well."""
    linker: str = "-s -w"
    """Flags of the linker."""
    trial: str = "--version"
    """The argument with which a program says that it runs."""

    def output(self, name: str) -> str:
        """Return the name of the file that Go writes."""
        return self.outputs.get(name, name)


CONTROL_PLANE = Recipe(
    title="the control plane",
    sources=Path(__file__).parent,
    packages={
        "etcd": "go.etcd.io/etcd/server/v3",
        "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
        "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    },
    outputs={"etcd": "server"},  # Go names a program by its package; `v3` is a version and does not count
    # Without the version stamp kubectl cannot parse the server's version.
    linker=f"-s -w -X k8s.io/component-base/version.gitVersion=v{VERSION}",
)
