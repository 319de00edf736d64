"""Which TCP sockets a process listens on, as the kernel tells it (Linux)."""

import os
import socket
from pathlib import Path

_LISTENING = "0A"


def listening(pid: int) -> set[tuple[str, int]]:
    """Return address and port of each listening TCP socket of a process."""
    owned = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            owned.add(os.readlink(link))
        except FileNotFoundError:
            continue  # closed meanwhile
    found = set()
    for table in ("tcp", "tcp6"):
        for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = row.split()
            if fields[3] == _LISTENING and f"socket:[{fields[9]}]" in owned:
                found.add(_address(fields[1]))
    return found


def _address(field: str) -> tuple[str, int]:
    # Words of 32 bits in the machine's own order (proc(5)).
    address, port = field.split(":")
    raw = b"".join(int(address[at : at + 8], 16).to_bytes(4, "little") for at in range(0, len(address), 8))
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw), int(port, 16)
