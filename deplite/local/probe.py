"""One plain HTTP request to a program on this machine, to see whether it is ready."""

import asyncio
import contextlib
import os
import ssl
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_SOCKET_PATH_LIMIT = 100
"""A socket's path is at most 104 bytes on macOS and 108 on Linux, with the zero byte."""


@dataclass(frozen=True)
class Answer:
    """What came back; status 0 says that nothing did."""

    status: int
    body: bytes = b""


NOTHING = Answer(0)


async def ask_port(
    port: int, path: str, *, tls: ssl.SSLContext | None = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """GET a path from a loopback port, within a second; never raises for what the other side does."""
    return await _ask(lambda: asyncio.open_connection("127.0.0.1", port, ssl=tls), path, headers or {})


async def ask_socket(socket: Path, path: str) -> Answer:
    """GET a path from a unix socket, within a second; never raises for what the other side does."""
    with contextlib.ExitStack() as stack:
        try:
            short = stack.enter_context(_shortened(socket))
        except OSError:
            return NOTHING
        return await _ask(lambda: asyncio.open_unix_connection(short), path, {})


async def _ask(
    connect: Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]],
    path: str,
    headers: Mapping[str, str],
) -> Answer:
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", "Connection: close", *(f"{k}: {v}" for k, v in headers.items())]
    try:
        async with asyncio.timeout(1):
            reader, writer = await connect()
            try:
                writer.write("\r\n".join([*lines, "", ""]).encode())
                return _parse(await reader.read())
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError, EOFError, ValueError, IndexError):
        return NOTHING


def _parse(raw: bytes) -> Answer:
    head, _, body = raw.partition(b"\r\n\r\n")
    return Answer(int(head.split(b" ", 2)[1]), body) if head.startswith(b"HTTP/1.") else NOTHING


@contextlib.contextmanager
def _shortened(socket: Path) -> Iterator[str]:
    """Give a deep socket a name that fits: only the name given counts, not where its links lead."""
    if len(os.fsencode(socket)) <= _SOCKET_PATH_LIMIT:
        yield str(socket)
        return
    with tempfile.TemporaryDirectory(prefix="dp-") as folder:
        link = Path(folder) / "d"
        link.symlink_to(socket.parent)
        yield str(link / socket.name)
