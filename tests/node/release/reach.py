"""Real connections out of the network of a pod, and what became of them."""

import contextlib
import errno
import socket
from collections.abc import Iterator
from typing import Literal

from tests.node.inside import inside

Outcome = Literal["reached", "prohibited", "nobody listens", "no way"]
SECONDS = 20.0
_OUTCOMES: dict[int, Outcome] = {
    errno.EHOSTUNREACH: "prohibited",
    errno.ECONNREFUSED: "nobody listens",
    errno.ENETUNREACH: "no way",
}
_QUESTION = b"\x12\x34\x01\x00\x00\x01" + bytes(6) + b"\x07example\x07invalid\x00\x00\x01\x00\x01"
"""Asks for the address of `example.invalid`; that there is none is an answer as well."""


def reach(pid: int, address: str, port: int, protocol: str = "tcp") -> Outcome:
    """Try to reach a port from the network of a process; by UDP, as a server of names.

    Raises:
        OSError: something else became of it.
    """
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    with inside(pid), socket.socket(socket.AF_INET, kind) as made:
        made.settimeout(SECONDS)
        try:
            made.connect((address, port))
            if protocol == "udp":
                made.send(_QUESTION)
                assert made.recv(512)[:2] == _QUESTION[:2]
        except OSError as error:
            if error.errno not in _OUTCOMES:
                raise
            return _OUTCOMES[error.errno]
    return "reached"


@contextlib.contextmanager
def listening(pid: int, port: int) -> Iterator[None]:
    """Have somebody listen at a port in the network of a process."""
    with inside(pid):
        made = socket.create_server(("0.0.0.0", port))
    with made:
        yield
