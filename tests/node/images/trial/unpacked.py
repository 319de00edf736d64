"""An image laid out in a folder and started as a runtime does it, but for the runtime: for tests without a node."""

import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

_START = """
set -e
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
mount -t proc proc "$1/proc"
mount -t tmpfs -o mode=1777 tmpfs "$1/tmp"
shift
exec /usr/bin/env -i "$@"
"""


class Unpacked:
    """One image of an archive.

    Args:
        archive: as `archives()` returns it.
        name: of the image.
        folder: is made; what tests change in it, the image has.
    """

    def __init__(self, archive: Path, name: str, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        with tarfile.open(archive) as tar:
            manifest = json.load(_file(tar, "manifest.json"))
            (entry,) = (one for one in manifest if one["RepoTags"] == [name])
            self.config: dict[str, Any] = json.load(_file(tar, entry["Config"]))["config"]
            """As the archive has it: Env, User, Entrypoint and so on."""
            for layer in entry["Layers"]:
                with tarfile.open(fileobj=_file(tar, layer)) as files:
                    files.extractall(folder, numeric_owner=True, filter="fully_trusted")

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command as the image's user, its own entry point if there is none; nothing but /tmp can be written.

        As with a runtime, /proc and /tmp are there whatever the image has.

        Args:
            command: searched in the image's PATH.
            environment: beside the image's.
        """
        variables = {**dict(one.split("=", 1) for one in self.config.get("Env", [])), **environment}
        for name in ("proc", "tmp"):
            (self.folder / name).mkdir(exist_ok=True)
        inner = ("/usr/sbin/chroot", f"--userspec={self.config['User']}", "--groups=", str(self.folder))
        return subprocess.run(
            [
                *("unshare", "--mount", "--propagation", "private", "--net", "--pid", "--fork", "--kill-child"),
                *("sh", "-c", _START, "start", str(self.folder)),
                *(f"{name}={value}" for name, value in variables.items()),
                *inner,
                *(command or self.config["Entrypoint"]),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def _file(tar: tarfile.TarFile, name: str) -> Any:
    file = tar.extractfile(name)
    assert file is not None
    return file
