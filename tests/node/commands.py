"""Commands that are run to their end, here or in another network, and conditions that are waited for."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

SECONDS = 240
"""For anything that has to happen: far above what it takes, for a busy machine is no failure."""


class CommandError(Exception):
    """A command failed; the message has what it said."""


async def until(done: Callable[[], bool | Awaitable[bool]], what: str) -> None:
    """Wait until something is so.

    Args:
        done: tells whether it is.
        what: how it is named where it does not come.

    Raises:
        CommandError: it is not so in time.
    """
    try:
        async with asyncio.timeout(SECONDS):
            while not (found if isinstance(found := done(), bool) else await found):
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise CommandError(f"{what} did not come in {SECONDS} s") from None


async def run_in_network(pid: int, *argv: str) -> str:
    """Run a command in the network of a process; return what it prints.

    Raises:
        CommandError: it failed.
    """
    return await run("nsenter", f"--target={pid}", "--net", "--", *argv)


async def run(*argv: str, given: str = "", environment: Mapping[str, str] | None = None) -> str:
    """Run a command; return what it prints. It is killed when we are cancelled.

    Args:
        argv: the program and its arguments.
        given: its standard input.
        environment: all of it; None: ours.

    Raises:
        CommandError: it failed.
    """
    child = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    try:
        said, wrong = await child.communicate(given.encode())
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode:
        raise CommandError(f"`{' '.join(argv)}` ended with {child.returncode}: {(wrong or said).decode().strip()}")
    return said.decode()
