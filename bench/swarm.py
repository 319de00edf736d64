"""Many agents in one process of its own: each holds its stream over a raw socket, and comes back when it ends.

`python -m bench.swarm URL FILE` takes one command a line and answers each with a line of JSON: `open N`, `beat`,
`sign`, `drop` (close all at once), `again` (wait until all are open again). FILE holds the identities.
"""

import asyncio
import json
import resource
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.member import Member

BEAT_SECONDS = 60.0
"""Between two heartbeats of an agent, as ours sends them."""
SETTLED_SECONDS = 1.0
_AT_ONCE = 200
"""Connects under way while the swarm is built up; a storm has no such bound."""


@dataclass(frozen=True, kw_only=True)
class Return:
    """How the agents came back; seconds from the first loss, and from the own loss of each."""

    lost: int
    seconds: float
    p50: float
    p99: float
    refused: int
    """Tries that found nobody, or were answered with anything but a stream."""


class Swarm:
    """All of them."""

    def __init__(self, members: list[Member]) -> None:
        self._members = members
        self._running: set[asyncio.Task[None]] = set()

    async def open(self, count: int) -> None:
        """Have so many of them connected."""
        places = asyncio.Semaphore(_AT_ONCE)

        async def one(member: Member) -> None:
            async with places:
                self._start(member.hold())
                await member.opened.wait()

        await asyncio.gather(*(one(member) for member in self._members[len(self._held) : count]))

    def beat(self) -> None:
        """Let those who are connected send heartbeats from now on, spread evenly."""
        held = self._held
        for number, member in enumerate(held):
            self._start(member.beat(BEAT_SECONDS * number / len(held), BEAT_SECONDS))

    def sign(self) -> None:
        """Sign everybody's next connect, for agents do so on machines of their own; and forget past losses."""
        for member in self._held:
            member.prepare()

    def drop(self) -> None:
        """Close all streams."""
        for member in self._held:
            member.drop()

    async def again(self) -> Return:
        """Wait until somebody has lost the stream and all have one again."""
        loop = asyncio.get_running_loop()
        steady_since = loop.time()
        while loop.time() - steady_since < SETTLED_SECONDS:
            await asyncio.sleep(0.05)
            if not all(member.opened.is_set() for member in self._held) or not self._lost:
                steady_since = loop.time()
        took = sorted(member.opened_at - member.lost_at for member in self._lost)
        return Return(
            lost=len(took),
            seconds=max(one.opened_at for one in self._lost) - min(one.lost_at for one in self._lost),
            p50=took[len(took) // 2],
            p99=took[len(took) * 99 // 100],
            refused=sum(member.refused for member in self._held),
        )

    @property
    def _held(self) -> list[Member]:
        return [member for member in self._members if member.held]

    @property
    def _lost(self) -> list[Member]:
        return [member for member in self._held if member.lost_at]

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)


async def obey(swarm: Swarm, line: str) -> dict[str, Any]:
    """Do what a line says; return the answer."""
    began = asyncio.get_running_loop().time()
    plain: dict[str, Callable[[], None]] = {"beat": swarm.beat, "sign": swarm.sign, "drop": swarm.drop}
    match line.split():
        case ["open", count]:
            await swarm.open(int(count))
        case ["again"]:
            return asdict(await swarm.again())
        case [word] if word in plain:
            plain[word]()
        case _:
            raise ValueError(f"no command: {line!r}")
    return {"seconds": asyncio.get_running_loop().time() - began}


async def serve(url: str, identities: list[tuple[str, str]]) -> None:
    """Obey lines of the standard input until it ends."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    address = urlsplit(url)
    host, port = str(address.hostname), int(address.port or 80)
    swarm = Swarm([Member(host, port, agent_id, bytes.fromhex(key)) for agent_id, key in identities])
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        print(json.dumps(await obey(swarm, line.decode())), flush=True)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], json.loads(Path(sys.argv[2]).read_text())))
