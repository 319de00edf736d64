"""Carries out one instruction in a mount namespace of its own: nothing that it mounts is seen outside, or outlives it.

Run by store.py as a program, in the folder of the store, with a job as JSON in a file:

    {below: [tree, …], upper, work, merged}        the layers, top first, and what is changed on top of them
    {files: {target: source}, mode}                of the build context
    {stage: [tree, …], other, sources, target}     of another stage
    {command, environment, folder, user, wheels}   of the shell, in the image, as RUN
    {workdir}                                      a folder that has to be there

Trees are named relative to the store: short, and free of what the options of a mount cannot hold.
"""

import json
import os
import shutil
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

DEVICES = ("null", "zero", "full", "random", "urandom")
WHEELS = "mnt"
"""Where RUN finds wheels; every image of Debian has this folder."""


def main() -> int:
    """Carry out the job and return the exit code of its command."""
    job = json.loads(Path(sys.argv[1]).read_text())
    os.umask(0o022)
    if "stage" in job:
        _link_trees(job)
        return 0
    merged = Path(job["merged"])
    _overlay(merged, job["below"], f"upperdir={job['upper']},workdir={job['work']}")
    for target, source in job.get("files", {}).items():
        _copy_file(Path(source), _place(merged, target), job["mode"])
    if "workdir" in job:
        _place(merged, job["workdir"]).mkdir(parents=True, exist_ok=True)
    return _run(job, merged) if "command" in job else 0


def _overlay(at: Path, below: list[str], options: str = "ro") -> None:
    """Mount layers; each of them is to hold whole files under their own names, whatever the kernel's defaults are."""
    lower = ":".join([*below, "empty", "nothing"])  # one that is only read wants at least two
    _mount("overlay", at, f"lowerdir={lower},redirect_dir=off,metacopy=off,{options}")


def _mount(kind: str, at: Path, options: str) -> None:
    subprocess.run(["mount", "-t", kind, "-o", options, kind, str(at)], check=True)


def _place(root: Path, target: str) -> Path:
    """Return where a path of the image is.

    Raises:
        ValueError: a symbolic link of the image leads out of it.
    """
    place = root / target.lstrip("/")
    if not (place.parent.resolve() / place.name).is_relative_to(root.resolve()):
        raise ValueError(f"{target} leads out of the image")
    return place


def _copy_file(source: Path, target: Path, mode: int | None) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    shutil.copy2(source, target, follow_symlinks=False)
    os.chown(target, 0, 0, follow_symlinks=False)
    if mode is not None and not target.is_symlink():
        target.chmod(mode)


def _link_trees(job: dict[str, Any]) -> None:
    """Lay out what another stage has by hard links: layers never change, and it takes neither time nor room."""
    other, upper = Path(job["other"]), Path(job["upper"])
    _overlay(other, job["stage"])
    for name in job["sources"]:
        source, target = _place(other, name), job["target"].strip("/")
        if job["target"].endswith("/") and not source.is_dir():
            target = f"{target}/{source.name}"
        for depth in range(1, target.count("/") + 1):
            _make_parent("/".join(target.split("/")[:depth]), job["below"], upper)
        for path in (source, *sorted(source.rglob("*"))):
            place = upper / target / path.relative_to(source)
            if path.is_dir() and not path.is_symlink():
                place.mkdir(exist_ok=True)
                _make_alike(place, path.stat())
            else:
                place.unlink(missing_ok=True)
                os.link(_highest(job["stage"], path.relative_to(other)), place, follow_symlinks=False)


def _make_parent(name: str, below: list[str], upper: Path) -> None:
    """Make a folder above what is copied, as the layers below have it."""
    if not (upper / name).exists():
        (upper / name).mkdir()
        with suppress(FileNotFoundError):
            known = _highest(below, Path(name)).lstat()
            if not stat.S_ISDIR(known.st_mode):
                raise NotADirectoryError(f"COPY --from goes through /{name}, which is no folder")
            _make_alike(upper / name, known)


def _make_alike(folder: Path, known: os.stat_result) -> None:
    os.chown(folder, known.st_uid, known.st_gid)
    folder.chmod(stat.S_IMODE(known.st_mode))


def _highest(trees: list[str], path: Path) -> Path:
    """Return a file of the highest layer that has it, which is the one that is seen."""
    for tree in trees:
        if os.path.lexists(Path(tree, path)):
            return Path(tree, path)
    raise FileNotFoundError(f"no layer has {path}")


def _run(job: dict[str, Any], merged: Path) -> int:
    _mount("proc", merged / "proc", "nosuid,nodev,noexec")
    _mount("tmpfs", merged / "dev", "mode=0755")
    for name in DEVICES:
        (merged / "dev" / name).touch()
        subprocess.run(["mount", "--bind", f"/dev/{name}", str(merged / "dev" / name)], check=True)
    if job["wheels"]:
        subprocess.run(["mount", "--bind", job["wheels"], str(merged / WHEELS)], check=True)
    uid, gid = map(int, (job["user"] or "0:0").split(":"))
    os.chroot(merged)
    os.chdir(job["folder"])
    command = ["/bin/sh", "-c", job["command"]]
    return subprocess.run(command, env=job["environment"], user=uid, group=gid, extra_groups=[]).returncode


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        sys.exit(str(error))
