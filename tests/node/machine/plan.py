"""What is to run, where it lies and which addresses it has: written by who starts it, read by all processes of it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from deplite.local.errors import StartError

GATEWAY = "10.77.0.1"
"""The control plane's, in the network of the machines."""
SERVICES = "10.96.0.0/16"
API = "10.96.0.1"
DNS = "10.96.0.10"
PODS = "10.244.0.0/16"
VOLUMES = 6


@dataclass(frozen=True)
class Machine:
    """One node of Kubernetes."""

    number: int
    """From 1."""
    root: Path
    """What it keeps while it is off."""
    volumes: Path
    """What all machines see in `/var/lib/volumes`."""

    @property
    def name(self) -> str:
        """Its hostname, and the name of its Node."""
        return f"node-{self.number}"

    @property
    def address(self) -> str:
        """In the network of the machines."""
        return f"10.77.0.{10 + self.number}"

    @property
    def pods(self) -> str:
        """The addresses of its pods."""
        return f"10.244.{self.number}.0/24"

    @property
    def logs(self) -> Path:
        """Of its programs and, in `pods`, of its containers."""
        return self.root / "log"

    @property
    def images(self) -> Path:
        """What containerd keeps."""
        return self.root / "lib" / "containerd"

    @property
    def boot(self) -> Path:
        """A file with an id that is new each time it is switched on."""
        return self.root / "boot-id"


@dataclass(frozen=True)
class Plan:
    """A cluster: the control plane and its machines."""

    folder: Path
    """All that it writes is in here."""
    port: int
    """Of the Kubernetes API, on the loopback of this machine and inside."""
    nodes: int
    programs: dict[str, Path]
    """By name: those of the control plane and of a machine."""
    doors: tuple[int, ...] = ()
    """NodePorts that answer on the loopback of this machine as well."""

    @property
    def machines(self) -> tuple[Machine, ...]:
        """All machines, switched on or not."""
        return tuple(
            Machine(number, self.folder / f"node-{number}", self.volumes) for number in range(1, self.nodes + 1)
        )

    @property
    def logs(self) -> Path:
        """Of the keeper and the control plane."""
        return self.folder / "logs"

    @property
    def volumes(self) -> Path:
        """The disks that objects/volumes.yaml names."""
        return self.folder / "volumes"

    @property
    def plane(self) -> Path:
        """The control plane's data and credentials."""
        return self.folder / "plane"

    @property
    def pid(self) -> Path:
        """A file with the id of the outer first process, as this machine counts; written by the keeper."""
        return self.folder / "pid"

    @property
    def ready(self) -> Path:
        """A file that is there once the control plane works."""
        return self.folder / "ready"

    @property
    def ended(self) -> Path:
        """A file that is there once the outer first process has ended by itself."""
        return self.folder / "ended"

    def save(self) -> None:
        """Make its folder and write it there.

        Raises:
            StartError: there is such a folder.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True)
        except FileExistsError:
            raise StartError(f"{self.folder} exists, and may be another node's; name one that does not") from None
        self.logs.mkdir(mode=0o700)
        for number in range(1, VOLUMES + 1):
            (self.volumes / str(number)).mkdir(parents=True)
        (self.folder / "plan.json").write_text(json.dumps(asdict(self), default=str, indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "Plan":
        """Return the plan of a folder.

        Raises:
            FileNotFoundError: it has none.
        """
        read = json.loads((folder / "plan.json").read_text())
        programs = {name: Path(path) for name, path in read["programs"].items()}
        return cls(Path(read["folder"]), read["port"], read["nodes"], programs, tuple(read["doors"]))
