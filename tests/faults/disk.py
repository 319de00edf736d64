"""A disk that is soon full: a small file system where we may mount one, else a limit on the size of files."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

BYTES_A_FILE = 96 * 1024
"""Where nothing can be mounted: more than an agent keeps free for a job, less than what its steps print."""


@contextlib.asynccontextmanager
async def small_disk(folder: Path, size: int) -> AsyncIterator[int | None]:
    """Make a folder a disk of that many bytes; yields the limit of each file where that could not be done."""
    await asyncio.to_thread(folder.mkdir, parents=True)
    mounted = (
        sys.platform == "linux"
        and os.geteuid() == 0
        and await _run("mount", "-t", "tmpfs", f"-osize={size}", "tmpfs", str(folder))
    )
    try:
        yield None if mounted else BYTES_A_FILE
    finally:
        if mounted:
            assert await _run("umount", "-l", str(folder))  # a failed test leaves processes in there


async def _run(*command: str) -> bool:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    return await process.wait() == 0
