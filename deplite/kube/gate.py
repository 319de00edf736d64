"""Where bytes leave by aiohttp, and the fence is asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp

from deplite.fence import may_leave
from deplite.kube.errors import NotHeldError


def gate() -> aiohttp.TraceConfig:
    """Return what a session needs for a fence to hold: aiohttp calls it right before headers and body leave.

    What it refuses raises `NotHeldError`, in a block of `refusals_told`.
    """
    config = aiohttp.TraceConfig()
    config.on_request_headers_sent.append(_ask)
    config.on_request_chunk_sent.append(_ask)
    return config


@contextmanager
def refusals_told() -> Iterator[None]:
    """Raise `NotHeldError` also where aiohttp says only that it could not send: a body has a task of its own."""
    try:
        yield
    except aiohttp.ClientConnectionError as error:
        if isinstance(error.__cause__, NotHeldError):
            raise error.__cause__ from None
        raise


async def _ask(*_: Any) -> None:
    if not may_leave():
        raise NotHeldError
