"""A disk that is soon full: a small file system where we may mount one, else a limit on the size of files."""

import asyncio
import os
import sys
from pathlib import Path

BYTES_A_FILE = 96 * 1024
"""Where nothing can be mounted: more than an agent keeps free for a job, less than what its steps print."""
_UNSHARED = ("unshare", "--mount", "/bin/sh", "-c")


async def on_small_disk(folder: Path, size: int) -> tuple[str, ...]:
    """Make a folder, and return what starts a program for which it is a disk of that many bytes.

    It is mounted for that program and what it starts alone: others look at what is mounted on this machine.
    """
    await asyncio.to_thread(folder.mkdir, parents=True)
    mounting = f'mount -t tmpfs -o size={size} tmpfs "$0" && exec "$@"'
    mounted = (*_UNSHARED, mounting, str(folder))
    if sys.platform == "linux" and os.geteuid() == 0 and await _run(*mounted, "true"):
        return mounted
    return ("/bin/sh", "-c", f'ulimit -f {BYTES_A_FILE // 512}; exec "$0"')


async def _run(*command: str) -> bool:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    return await process.wait() == 0
