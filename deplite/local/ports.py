"""Loopback ports: chosen once, kept in the state, and checked before anything is started on them."""

import random
import socket
from collections.abc import Iterable, Iterator, Mapping

from deplite.local.errors import LocalError

HOST = "127.0.0.1"
FIRST, LAST = 20_000, 32_767
"""Below the ports that systems hand out to outgoing connections and to servers that ask for any."""


def choose(purposes: Iterable[str], kept: Mapping[str, int]) -> dict[str, int]:
    """Return a port for each purpose: the one kept, or a free one.

    Seconds may pass before a program listens there. Nobody is handed such a port meanwhile, and two of us who choose
    at once hardly ever choose the same.

    Raises:
        LocalError: there is no free port.
    """
    chosen = dict(kept)
    free = _free(set(chosen.values()))
    for purpose in purposes:
        if purpose not in chosen:
            chosen[purpose] = next(free)
    return chosen


def _free(taken: set[int]) -> Iterator[int]:
    for port in random.sample(range(FIRST, LAST + 1), LAST + 1 - FIRST):
        if port not in taken and is_free(port):
            yield port
    raise LocalError(f"no port from {FIRST} to {LAST} of {HOST} is free: stop what listens there")


def check_free(ports: Mapping[str, int], state_file: str) -> None:
    """Make sure that nobody else listens on our ports.

    Raises:
        LocalError: a port is taken; the sentence names it and the way out.
    """
    for purpose, port in ports.items():
        if not is_free(port):
            way_out = (
                "or choose another with `deplite up --port N`"
                if purpose == "apiserver"
                else f"or remove `{purpose}` from `ports` in {state_file}, and a free one is chosen"
            )
            raise LocalError(f"port {port} of {purpose} is in use: stop the program that listens there, {way_out}")


def is_free(port: int) -> bool:
    """Return whether a server could listen on the loopback port now."""
    try:
        # SO_REUSEADDR (create_server sets it) lets connections of the last run linger; a listener still refuses us.
        with socket.create_server((HOST, port)):
            return True
    except OSError:
        return False
