"""Fetches the wheels that a RUN installs, so that it needs no network: by this machine's own pip, as that is set up.

Which ones is in the lock file; what of it the Python in the image does not want is fetched as well and left alone.
"""

import asyncio
import platform
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.node.images.errors import ImageError

PYTHON = "3.11"
"""Of the base."""
_GLIBC = 36
"""Of the base: 2.36 and all before."""
_LOCK = re.compile(r"(?<!\S)(?:-r|--requirement)[ =](\S+\.txt)")


def locks(command: str) -> list[str]:
    """Return the lock files that a shell command gives to pip."""
    return _LOCK.findall(command)


def whole(lock: str) -> str:
    """Return a lock file without its markers: they are for the Python in the image, which is not the one that runs."""
    return re.sub(r"^([a-z0-9][^\s;]*) *;[^\\\n]*", r"\1 ", lock, flags=re.MULTILINE | re.IGNORECASE)


def command(lock: Path, target: Path) -> tuple[str, ...]:
    """Return pip's command line."""
    machine = platform.machine()
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(_GLIBC, 16, -1)]
    return (
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"),
        *("--require-hashes", "--only-binary=:all:", "--dest", str(target), "--requirement", str(lock)),
        *("--python-version", PYTHON, "--implementation", "cp", "--abi", f"cp{PYTHON.replace('.', '')}"),
        *("--abi", "abi3", "--abi", "none"),
        *(word for tag in (*tags, f"manylinux2014_{machine}") for word in ("--platform", tag)),
    )


async def fetch(contents: Sequence[str], target: Path) -> None:
    """Fetch all wheels of lock files into a folder.

    Args:
        contents: of the lock files.
        target: an empty folder.

    Raises:
        ImageError: one cannot be had, or is not what its hash says.
    """
    for number, content in enumerate(contents):
        lock = target.with_name(f"{target.name}-{number}.txt")
        lock.write_text(whole(content))
        child = await asyncio.create_subprocess_exec(
            *command(lock, target), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
        _, said = await child.communicate()
        if child.returncode != 0:
            raise ImageError(f"the wheels of an image cannot be fetched; pip says:\n{said.decode(errors='replace')}")
