"""A Debian of the release that this computer has, as an installer would leave it: made once, then in our cache."""

import asyncio
import hashlib
import os
import platform
import shutil
from pathlib import Path

from filelock import AsyncFileLock

from deplite.local.controlplane.find import cache_folder
from tests.apt import MMDEBSTRAP, sources

PACKAGES = ("systemd-sysv", "dbus", "polkitd", "python3-venv", "sudo")
_LEAN = (
    "--dpkgopt=force-unsafe-io",
    *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "locale", "man")),
    '--aptopt=Acquire::Languages "none"',
)
# They would do something at a time of their own, or belong to the whole computer.
_MASKED = (
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer"),
    *("dev-hugepages.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "sys-fs-fuse-connections.mount"),
    *("systemd-modules-load.service", "systemd-timesyncd.service"),
)


def release() -> str:
    """Return the name of this computer's release, e.g. `bookworm`."""
    return platform.freedesktop_os_release()["VERSION_CODENAME"]


async def debian() -> Path:
    """Return the folder of the system; made first where it is not in the cache (half a minute)."""
    recipe = repr((release(), PACKAGES, _LEAN, _MASKED))
    name = f"machine-{release()}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    folder = cache_folder(os.environ).with_name(name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    async with AsyncFileLock(f"{folder}.lock"):
        if not folder.exists():
            fresh = folder.with_name(f"{name}.new")
            await asyncio.to_thread(shutil.rmtree, fresh, ignore_errors=True)
            await _make(fresh)
            fresh.rename(folder)
    return folder


async def _make(folder: Path) -> None:
    child = await asyncio.create_subprocess_exec(
        *(*MMDEBSTRAP, "--variant=minbase", f"--include={','.join(PACKAGES)}", *_LEAN),
        *(release(), str(folder), *map(str, sources(release()))),
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await child.communicate()
    assert child.returncode == 0, said.decode(errors="replace")[-2000:]
    for name in _MASKED:
        (folder / "etc/systemd/system" / name).symlink_to("/dev/null")
    (folder / "etc/machine-id").write_text("")  # each machine makes its own
