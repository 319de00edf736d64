"""Compare and swap: what was read decides what is written, and who wrote in between has it decided anew."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from deplite.kube.errors import ConflictError

TRIES = 5

Read = TypeVar("Read")
Written = TypeVar("Written")


async def swap(read: Callable[[], Awaitable[Read]], write: Callable[[Read], Awaitable[Written]]) -> Written:
    """Return what `write` makes of what `read` finds, at most the fifth time.

    Args:
        read: returns the present object.
        write: decides on it, and writes with its version.

    Raises:
        ConflictError: somebody else wrote in between each time.
    """
    for _ in range(TRIES - 1):
        try:
            return await write(await read())
        except ConflictError:
            continue
    return await write(await read())
