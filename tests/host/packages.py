"""What the machine installs from: a checkout, wheels of it and of later versions, and all that they need."""

import asyncio
import os
import shutil
import sys
from pathlib import Path

from tests.gitops.shop import ROOT
from tests.pages import blocks

README = (ROOT / "examples" / "host" / "README.md").read_text()
NOW, NEXT, BROKEN = "0.1.0", "0.1.1", "0.1.2"
_SOURCES = (
    "deplite",
    "operator",
    "apiserver",
    "agent",
    "crds",
    "examples",
    "requirements",
    "pyproject.toml",
    "README.md",
)
_MAIN = "agent/deplite_agent/main.py"


async def lay_out(shared: Path, debian: Path) -> None:
    """Fill the folder that machines see as /mnt/shared.

    Args:
        shared: gets `clone` (a checkout), `wheels` (of it, and what it needs), `next` and `broken` (of later versions).
        debian: the machines' system.
    """
    clone = shared / "clone"
    await asyncio.to_thread(_copy, clone)
    others = [_build(_version(clone, shared / version, version)) for version in (NEXT, BROKEN)]
    await asyncio.gather(_typed(clone, _python(debian)), *others)
    wheels = clone / "wheels"
    for version, name in ((NEXT, "next"), (BROKEN, "broken")):
        folder = shared / name
        shutil.copytree(wheels, folder, ignore=shutil.ignore_patterns("deplite-*"))
        shutil.copy(next((shared / version / "dist").glob("*.whl")), folder)
    wheels.rename(shared / "wheels")


def _python(debian: Path) -> str:
    """Return the version of the machines' Python, e.g. `3.11`."""
    (program,) = debian.glob("usr/bin/python3.[0-9]*")
    return program.name.removeprefix("python")


def _copy(clone: Path) -> None:
    clone.mkdir()
    for name in _SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, clone / name)


def _version(clone: Path, folder: Path, version: str) -> Path:
    """Make a copy that says it is another version; the broken one ends as soon as it is to work."""
    shutil.copytree(clone, folder)
    for name in ("pyproject.toml", "deplite/__init__.py"):
        text = (folder / name).read_text()
        assert text.count(f'"{NOW}"') == 1
        (folder / name).write_text(text.replace(f'"{NOW}"', f'"{version}"'))
    if version == BROKEN:
        main = (folder / _MAIN).read_text()
        assert main.count("    settings = load_settings()") == 1
        (folder / _MAIN).write_text(main.replace("    settings = load_settings()", "    raise OSError('no way')"))
    return folder


async def _build(folder: Path) -> None:
    await _run(folder, f"{sys.executable} -m build --wheel --no-isolation")


async def _typed(clone: Path, python: str) -> None:
    """Make the folder of wheels as the README says, for the machine's Python, with what a checkout is built with."""
    (lines,) = [block for block in blocks(README, "Without a network, or from elsewhere", "sh") if "pip" in block]
    tools = "pip download --dest wheels --require-hashes --only-binary :all: --requirement requirements/build.txt"
    machine = os.uname().machine
    other = f"PIP_PYTHON_VERSION={python} PIP_PLATFORM='manylinux_2_28_{machine} manylinux2014_{machine}'"
    await _run(clone, f"{lines}{tools}".replace("pip download", f"{other} pip download"))


async def _run(folder: Path, script: str) -> None:
    child = await asyncio.create_subprocess_exec(
        *("sh", "-euc", script),
        cwd=folder,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await child.communicate()
    assert child.returncode == 0, said.decode(errors="replace")[-3000:]
