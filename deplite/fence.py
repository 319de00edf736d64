"""The fence around what is written under a Lease: asked once more at the moment when the bytes leave.

Between being asked for and being sent a write waits for a connection, for its turn, or for a second try. A process that
is paused there wakes with the write ready to go, whatever was asked before, and its time-outs come too late. What the
socket had taken before the pause may still arrive: that is what compare-and-swap is for.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Left = Callable[[], float]
"""For how many seconds from now one may write."""

_left: ContextVar[Left | None] = ContextVar("left", default=None)


@contextmanager
def fence(left: Left | None) -> Iterator[None]:
    """Let what the block sends leave only while something is left; None: always.

    It holds for this task or thread and the tasks that it makes, not for threads.
    """
    before = _left.set(left)
    try:
        yield
    finally:
        _left.reset(before)


def may_leave() -> bool:
    """Whether bytes may leave now; for whoever is about to send them."""
    left = _left.get()
    return left is None or left() > 0
