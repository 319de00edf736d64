"""Being in the node's network: what this thread opens, and what it starts, is there; nothing else leads there."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLONE_NEWNET = 0x40000000


@contextmanager
def inside(pid: int) -> Iterator[None]:
    """Be in the network of a process until the block ends.

    Sockets that are open stay where they were made.

    Raises:
        OSError: we may not go there, or the process is gone.
    """
    with Path("/proc/thread-self/ns/net").open() as ours:
        enter_network(pid)
        try:
            yield
        finally:
            _enter(ours.fileno())


def enter_network(pid: int) -> None:
    """Have this thread make its sockets in the network of a process from now on.

    Raises:
        OSError: we may not go there, or the process is gone.
    """
    with Path(f"/proc/{pid}/ns/net").open() as theirs:
        _enter(theirs.fileno())


def _enter(network: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(network, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")
