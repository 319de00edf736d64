"""The base of our images: Debian's packages, unpacked. It stands for the base that our Dockerfiles name.

Debian's `mmdebstrap` takes the packages from where this machine takes its own. It runs none of their scripts, which is
what makes it fast; what the scripts would write and somebody needs is written here. Like the real base it has the
essential packages, Python, certificates and time zones, and no curl, git or kubectl.
"""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.apt import MMDEBSTRAP, sources
from tests.node.images.errors import ImageError
from tests.node.images.instructions import Config
from tests.node.images.wheels import PYTHON

NAME = "python:3.11-slim-bookworm"
SUITE = "bookworm"
PACKAGES = ("?essential", f"python{PYTHON}", f"python{PYTHON}-venv", "ca-certificates", "netbase", "tzdata")
CONFIG = Config(
    environment={"PATH": "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"},
    command=("python3",),
)
_HOOKS = Path("/usr/share/mmdebstrap/hooks/merged-usr")
_DROPPED = (
    *("etc/apt", "etc/cron.daily", "etc/fstab", "etc/init.d", "etc/logrotate.d", "etc/systemd"),
    *("usr/share/bash-completion", "usr/share/doc", "usr/share/info", "usr/share/lintian", "usr/share/locale"),
    *("usr/share/man", "var/cache/apt", "var/lib/apt", "var/lib/dpkg"),
)
_FOLDERS = ("media", "mnt", "opt", "srv", "usr/local/bin", "usr/local/lib")
_LINKS = {
    "etc/localtime": "/usr/share/zoneinfo/Etc/UTC",
    "usr/bin/awk": "mawk",
    "usr/bin/which": "which.debianutils",
    "usr/local/bin/python": f"/usr/bin/python{PYTHON}",
    "usr/local/bin/python3": "python",
    f"usr/local/bin/python{PYTHON}": "python",
}


async def make(tree: Path, log: Path) -> None:
    """Make the base in a folder that is not there yet.

    Raises:
        ImageError: the packages cannot be had.
    """
    argv = (
        *(*MMDEBSTRAP, "--variant=extract", f"--hook-dir={_HOOKS}"),
        *(f"--include={package}" for package in PACKAGES),
        *(SUITE, str(tree), *map(str, sources(SUITE))),
    )
    with log.open("wb") as output:
        child = await asyncio.create_subprocess_exec(
            *argv, env={**os.environ, "LC_ALL": "C.UTF-8"}, stdout=output, stderr=output
        )
        code = await child.wait()
    if code != 0:
        said = await asyncio.to_thread(log.read_text, errors="replace")
        raise ImageError(f"mmdebstrap cannot make the base of our images; it says:\n{said[-2000:]}")
    await asyncio.to_thread(_finish, tree)


def _finish(tree: Path) -> None:
    for name in _DROPPED:
        path = tree / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for folder in ("dev", "tmp", "var/cache", "var/log"):
        for path in (tree / folder).iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for name in ("hostname", "hosts", "resolv.conf"):  # the runtime's to fill; never this machine's own
        (tree / "etc" / name).write_text("")
    for name in ("group", "passwd"):
        shutil.copyfile(tree / f"usr/share/base-passwd/{name}.master", tree / "etc" / name)
    for name in _FOLDERS:
        (tree / name).mkdir(parents=True)
    for name, target in _LINKS.items():
        (tree / name).symlink_to(target)
    (tree / "etc/ssl/certs/ca-certificates.crt").write_text("".join(_certificates(tree)))
    subprocess.run(["ldconfig", "-X", "-r", str(tree)], check=True)
    shutil.rmtree(tree / "var/cache/ldconfig", ignore_errors=True)


def _certificates(tree: Path) -> Iterator[str]:
    for path in sorted((tree / "usr/share/ca-certificates/mozilla").glob("*.crt")):
        yield path.read_text().strip() + "\n"
