"""Builds programs (those of the control plane, unless another recipe is given) from their published sources, once.

`go.mod` and `go.sum` beside this file pin every source by its hash. Everything happens in one folder in the cache,
under a lock: what an interrupted build left there is removed by the next one, and programs are renamed into place
only when all are whole, so that whoever finds one can run it.
"""

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from deplite.local.controlplane.estimate import Estimate, is_package
from deplite.local.controlplane.find import Report, search_folder
from deplite.local.controlplane.golang import environment_for, find_go
from deplite.local.controlplane.recipe import CONTROL_PLANE, Recipe
from deplite.local.errors import BuildError, MissingError, StartError
from deplite.local.process import Process, Program, tail

DISK_BYTES = 5 * 10**9
"""What a build of the control plane takes at its peak; 228 MB of it stay."""
_COMPILER = "all=-dwarf=false"
"""The linker drops what debuggers read: not making it saves a fifteenth of the time."""
_POLL = 0.25


async def build(
    names: Sequence[str],
    target: Path,
    environment: Mapping[str, str],
    report: Report,
    recipe: Recipe = CONTROL_PLANE,
    caches: Path | None = None,
) -> dict[str, Path]:
    """Build programs and return their paths by name; waits for another build of the same cache first.

    Args:
        names: which, of the recipe's.
        target: where they go.
        environment: decides how Go fetches modules (GOPROXY and the like) and where `go` is.
        report: told how far it is.
        recipe: what is pinned and how it is built.
        caches: the folder of Go's caches, for several builds that share them; None: they go when this build ends.

    Raises:
        MissingError: no usable Go, or too little disk.
        BuildError: Go failed; the message ends with what it said.
    """
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    async with _locked(target.with_name(target.name + ".lock"), report):
        found = search_folder(target, names)  # by the one that we waited for
        missing = [name for name in names if name not in found]
        if missing:
            folder = target.with_name(target.name + ".build")
            found |= await _build_in(folder, missing, target, environment, report, recipe, caches)
    return found


def list_command(go: Path, names: Sequence[str], recipe: Recipe = CONTROL_PLANE) -> tuple[str, ...]:
    """Return the command that downloads the modules and prints each package to compile."""
    return (str(go), "list", "-deps", "-modcacherw", *(recipe.packages[name] for name in names))


def build_command(go: Path, names: Sequence[str], output: Path, recipe: Recipe = CONTROL_PLANE) -> tuple[str, ...]:
    """Return the command that builds programs into a folder and prints each package that it begins."""
    flags = (
        "-v",
        "-mod=readonly",
        "-modcacherw",
        "-buildvcs=false",
        "-trimpath",
        "-gcflags",
        _COMPILER,
        "-ldflags",
        recipe.linker,
    )
    return (str(go), "build", *flags, "-o", f"{output}{os.sep}", *(recipe.packages[name] for name in names))


async def _build_in(
    folder: Path,
    names: Sequence[str],
    target: Path,
    environment: Mapping[str, str],
    report: Report,
    recipe: Recipe,
    caches: Path | None,
) -> dict[str, Path]:
    await asyncio.to_thread(_remove, folder)
    go = await find_go(environment)
    _check_disk(target.parent, recipe.title)
    (folder / "out").mkdir(parents=True)
    for name in recipe.files:
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(recipe.sources / name, folder / name)
    try:
        await _compile(go, names, folder, environment_for(caches or folder, environment), report, recipe)
        await _check(names, folder / "out", recipe)
        return await asyncio.to_thread(_install, names, folder / "out", target, recipe)
    finally:
        report(100, 100, "removing the build's caches")
        await asyncio.to_thread(_remove, folder)


async def _compile(
    go: Path, names: Sequence[str], folder: Path, environment: Mapping[str, str], report: Report, recipe: Recipe
) -> None:
    estimate = Estimate()

    def show() -> None:
        report(round(estimate.fraction() * 100, 1), 100, estimate.note(time.monotonic()))

    def read_list(lines: Sequence[str]) -> None:
        packages.update(filter(is_package, lines))
        estimate.read_list(lines)

    packages: set[str] = set()
    show()
    await _run("list", list_command(go, names, recipe), folder, environment, read_list, show)
    estimate.begin(len(packages - {"unsafe"}), time.monotonic())  # unsafe has no code
    command = build_command(go, names, folder / "out", recipe)
    await _run("build", command, folder, environment, estimate.read_build, show)


async def _run(
    step: str,
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    read: Callable[[Sequence[str]], None],
    show: Callable[[], None],
) -> None:
    program = Program(
        name=f"go {step}", argv=tuple(command), cwd=folder, env=environment, log=folder / f"{step}.log", umask=0o022
    )
    try:
        process = await Process.start(program)
    except StartError as error:
        raise BuildError(str(error)) from error
    try:
        with program.log.open(encoding="utf-8", errors="replace") as log:
            rest = ""
            while process.returncode is None:
                await asyncio.sleep(_POLL)
                *lines, rest = (rest + log.read()).split("\n")
                read(lines)
                show()
            read((rest + log.read()).splitlines())
    finally:
        process.kill()
        code = await process.wait()
    if code != 0:
        said = "\n".join(line for line in tail(program.log, 40) if not is_package(line)) or f"it ended with {code}"
        raise BuildError(f"the programs could not be built; try again after what `{program.name}` says:\n{said}")


async def _check(names: Sequence[str], output: Path, recipe: Recipe) -> None:
    """Make sure that each program runs: a file that is there may still be half of one."""
    for name in names:
        child = await asyncio.create_subprocess_exec(
            output / recipe.output(name),
            recipe.trial,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        if await child.wait() != 0:
            raise BuildError(f"the {name} that was built does not run on this machine; report this as a bug")


def _install(names: Sequence[str], output: Path, target: Path, recipe: Recipe) -> dict[str, Path]:
    target.mkdir(mode=0o755, exist_ok=True)
    installed = {}
    for name in names:
        built = output / recipe.output(name)
        with built.open("rb") as file:
            os.fsync(file.fileno())  # or a power cut could leave the name without its content
        installed[name] = built.replace(target / name)
    return installed


def _check_disk(folder: Path, title: str) -> None:
    free = shutil.disk_usage(folder).free
    if free < DISK_BYTES:
        raise MissingError(
            f"building {title} needs {DISK_BYTES / 1e9:.0f} GB of disk for some minutes and {folder} has "
            f"{free / 1e9:.1f} GB: free some, or set XDG_CACHE_HOME to a folder on a larger disk"
        )


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        raise BuildError(f"{folder}, left by an earlier build, cannot be removed; remove it and try again")


@asynccontextmanager
async def _locked(path: Path, report: Report) -> AsyncIterator[None]:
    lock = FileLock(path)
    while True:
        with suppress(Timeout):
            lock.acquire(blocking=False)
            break
        report(0, 100, "waiting for the build that another process has begun")
        await asyncio.sleep(_POLL)
    try:
        yield
    finally:
        lock.release()
