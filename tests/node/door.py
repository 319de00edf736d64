"""A door: a port of this machine's loopback that leads into the network of a process.

    async with door(node.pid, "10.77.0.11", 30080) as url: …

It is a process of its own, for a process has one network: it listens in ours, then enters the other one and connects
there. It ends when its standard input does, which is when we close it or die.
"""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from deplite.local.errors import StartError
from tests.node.inside import enter_network

_ROOT = Path(__file__).resolve().parents[2]


@asynccontextmanager
async def door(pid: int, address: str, port: int, *, at: int = 0) -> AsyncIterator[str]:
    """Keep a door open as long as the block runs; yields `http://127.0.0.1:PORT`.

    Args:
        pid: of a process in the network where the address is.
        address: what it leads to.
        port: of that address.
        at: the port here; 0 for any that is free.

    Raises:
        StartError: it cannot listen, or there is no such process.
    """
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.node.door", str(pid), address, str(port), str(at)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=_ROOT,
        start_new_session=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        said = (await child.stdout.readline()).decode().strip()
        if not said.isdecimal():
            raise StartError(f"no door to port {port} of {address}: {said or 'it ended at once'}")
        yield f"http://127.0.0.1:{said}"
    finally:
        child.stdin.close()
        await child.wait()


async def _serve(listening: socket.socket, address: str, port: int) -> None:
    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(address, port)
        except OSError:
            writer.transport.abort()  # refused there is refused here
            return
        try:
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        finally:
            far_writer.close()
            writer.close()

    await asyncio.start_server(carry, sock=listening)
    await asyncio.to_thread(sys.stdin.buffer.read)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while block := await reader.read(1 << 16):
            writer.write(block)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.transport.abort()  # which ends the other direction, too


def main() -> None:
    pid, address, port, at = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    try:
        listening = socket.create_server(("127.0.0.1", at))
        enter_network(pid)
    except OSError as error:
        print(error, flush=True)
        return
    print(listening.getsockname()[1], flush=True)
    asyncio.run(_serve(listening, address, port))


if __name__ == "__main__":
    main()
