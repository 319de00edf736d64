"""The fence around writes under a Lease: asked once more at the moment when a request's bytes leave.

Between being asked for and being sent a request waits for a connection and for its turn in the event loop. A process
that is paused there wakes with the request ready to go, whatever was asked before, and its time-out comes a turn late.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import aiohttp

from deplite.kube.errors import NotHeldError

Left = Callable[[], float]
"""For how many seconds from now one may write."""

_left: ContextVar[Left | None] = ContextVar("left", default=None)


@contextmanager
def fence(left: Left | None) -> Iterator[None]:
    """Let what the block sends leave only while something is left; None: always.

    Raises:
        NotHeldError: nothing is left, and nothing was sent.
    """
    before = _left.set(left)
    try:
        yield
    except aiohttp.ClientConnectionError as error:
        if isinstance(error.__cause__, NotHeldError):  # aiohttp sends a body in a task of its own
            raise error.__cause__ from None
        raise
    finally:
        _left.reset(before)


def gate() -> aiohttp.TraceConfig:
    """Return what a session needs so that `fence` holds for it: aiohttp calls it right before bytes leave."""
    config = aiohttp.TraceConfig()
    config.on_request_headers_sent.append(_ask)
    config.on_request_chunk_sent.append(_ask)
    return config


async def _ask(*_: Any) -> None:
    left = _left.get()
    if left is not None and left() <= 0:
        raise NotHeldError
