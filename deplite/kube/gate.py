"""Where bytes leave for the Kubernetes API, and the fence is asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp

from deplite.fence import Left, fence, may_leave
from deplite.kube.errors import NotHeldError


def gate() -> aiohttp.TraceConfig:
    """Return what a session needs for `fenced` to hold: aiohttp calls it right before headers and body leave."""
    config = aiohttp.TraceConfig()
    config.on_request_headers_sent.append(_ask)
    config.on_request_chunk_sent.append(_ask)
    return config


@contextmanager
def fenced(left: Left | None) -> Iterator[None]:
    """Fence what the block sends.

    Raises:
        NotHeldError: nothing is left, and nothing was sent.
    """
    try:
        with fence(left):
            yield
    except aiohttp.ClientConnectionError as error:
        if isinstance(error.__cause__, NotHeldError):  # a body is sent by a task of aiohttp's own
            raise error.__cause__ from None
        raise


async def _ask(*_: Any) -> None:
    if not may_leave():
        raise NotHeldError
