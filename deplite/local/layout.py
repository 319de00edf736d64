"""The data folder of `deplite up`: where each thing lies, all of it readable by its owner only."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

DEFAULT_DATA = Path(".deplite")
"""Where `deplite up` keeps everything unless told otherwise, relative to the working directory."""


@dataclass(frozen=True)
class Layout:
    """The paths under the data folder."""

    root: Path

    @classmethod
    def at(cls, folder: Path) -> "Layout":
        """Return the layout of a folder that need not exist yet."""
        return cls(folder.expanduser().resolve())

    def make(self) -> "Layout":
        """Create the folders, each 0700."""
        for folder in (self.root, self.logs, self.accounts, self.issuer, self.agent, self.workflows, self.secrets):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # An existing folder keeps its mode through mkdir, and all below is as private as the root.
        self.root.chmod(0o700)
        return self

    @property
    def state(self) -> Path:
        """What runs and on which ports (JSON)."""
        return self.root / "state.json"

    @property
    def lock(self) -> Path:
        """Held by the supervisor for as long as it lives."""
        return self.root / "lock"

    @property
    def env(self) -> Path:
        """Variables for a shell to source."""
        return self.root / "env"

    @property
    def token(self) -> Path:
        """The API token that fires the first trigger."""
        return self.root / "token"

    @property
    def kubeconfig(self) -> Path:
        """For the person at the keyboard: all rights, the organization as its namespace."""
        return self.root / "kubeconfig"

    @property
    def logs(self) -> Path:
        """One file a part."""
        return self.root / "logs"

    @property
    def accounts(self) -> Path:
        """Kubeconfig and token of each part."""
        return self.root / "accounts"

    @property
    def issuer(self) -> Path:
        """The key that signs the owner's JWT, and the public half."""
        return self.root / "issuer"

    @property
    def controlplane(self) -> Path:
        """Data, keys and sockets of etcd, kube-apiserver and kube-controller-manager."""
        return self.root / "controlplane"

    @property
    def objectstore(self) -> Path:
        """Data and keys of SeaweedFS."""
        return self.root / "objectstore"

    @property
    def valkey(self) -> Path:
        """What several apiservers share beside the cluster: its configuration and password."""
        return self.root / "valkey"

    @property
    def agent(self) -> Path:
        """The agent's key, journal and spool."""
        return self.root / "agent"

    @property
    def workflows(self) -> Path:
        """The agent's workflow files: copies of the examples, to be changed freely."""
        return self.root / "workflows"

    @property
    def secrets(self) -> Path:
        """The workflows' secrets, one file each."""
        return self.root / "secrets"

    def log(self, part: str) -> Path:
        """Return the log file of a part."""
        return self.logs / f"{part}.log"


def write_private(path: Path, content: str) -> None:
    """Replace a file at once, readable by its owner only: a reader sees the old content or the new one, whole."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mkstemp makes it 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
