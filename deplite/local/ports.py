"""Loopback ports: chosen once, kept in the state, and checked before anything is started on them."""

import socket
from collections.abc import Iterable, Mapping

from deplite.local.errors import LocalError

HOST = "127.0.0.1"


def choose(purposes: Iterable[str], kept: Mapping[str, int]) -> dict[str, int]:
    """Return a port for each purpose: the one kept, or a free one.

    A program that asks for "any port" gets one above 32768, so a port chosen a moment ago is hardly ever taken again.
    """
    chosen = dict(kept)
    sockets = []
    try:
        for purpose in purposes:
            if purpose not in chosen:
                sockets.append(socket.create_server((HOST, 0)))
                chosen[purpose] = sockets[-1].getsockname()[1]
    finally:
        # Held until all are chosen: or the system might hand out the same one twice.
        for held in sockets:
            held.close()
    return chosen


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
