"""Sessions of tests choose ports for their servers from ranges of their own: one is free until somebody listens there.

What they start with `deplite up` chooses for itself, from its own ports, which are in no session's range.
"""

import socket
from collections.abc import Mapping

from deplite.local import ports

VARIABLE = "DEPLITE_TESTS_PORTS"
FIRST, LAST = 10_000, ports.FIRST - 1


def environment_of(number: int, count: int) -> dict[str, str]:
    """Return what tells a session its range.

    Args:
        number: of the session, from 0.
        count: of all sessions.
    """
    share = (LAST + 1 - FIRST) // count
    first = FIRST + number * share
    return {VARIABLE: f"{first}-{first + share - 1}"}


def keep_to(environment: Mapping[str, str]) -> None:
    """Choose from the range that the environment names, if it does."""
    if said := environment.get(VARIABLE):
        first, _, last = said.partition("-")
        ports.FIRST, ports.LAST = int(first), int(last)


def kept() -> socket.socket:
    """Return what keeps a loopback port: callers are refused, ours may listen there, and nobody else is given it."""
    keeping = socket.socket()
    keeping.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeping.bind((ports.HOST, 0))
    return keeping
