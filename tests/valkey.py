"""A real Valkey for tests: on a port of its own that it keeps, to be stopped, killed, paused and started anew."""

import os
import signal
from pathlib import Path

from redis.asyncio import Redis

from deplite.local.ports import choose
from deplite.local.process import Process, Program, clean_environment
from deplite.local.valkey import binary
from deplite_apiserver.shared.settings import RedisSettings

PASSWORD = "a-password-of-tests"


class Valkey:
    """One server; empty at each start."""

    def __init__(self, folder: Path, *options: str, sentinel: bool = False) -> None:
        """Make it.

        Args:
            folder: for its files.
            options: further lines of its configuration.
            sentinel: it is no server, but watches some.
        """
        self._folder, self._name = folder, folder.name
        self._arguments = ("--sentinel",) if sentinel else ()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.port = choose(["valkey"], {})["valkey"]
        self.password_file = folder / "password"
        self.password_file.write_text(PASSWORD)
        lines = [f"port {self.port}", "bind 127.0.0.1", f"requirepass {PASSWORD}"]
        if not sentinel:
            lines += ['save ""', "appendonly no", "maxmemory-policy noeviction"]
        self._configuration = folder / "valkey.conf"
        self._configuration.write_text("\n".join([*lines, *options]))
        self._process: Process | None = None

    @property
    def settings(self) -> RedisSettings:
        """How the apiserver reaches it."""
        return RedisSettings(url=f"redis://127.0.0.1:{self.port}", password_file=self.password_file)

    def client(self) -> Redis:
        """Return a client of the test's own."""
        return Redis(host="127.0.0.1", port=self.port, password=PASSWORD)

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = await Process.start(
            Program(
                name=self._name,
                argv=(str(binary()), str(self._configuration), *self._arguments),
                cwd=self._folder,
                env=clean_environment(),
                log=self._folder / "valkey.log",
                ready=self._answers,
            )
        )
        await self._process.wait_ready(timeout=60)

    async def kill(self) -> None:
        """Kill it: what it held is gone."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None

    async def restart(self) -> None:
        """Have it come back, empty."""
        await self.kill()
        await self.start()

    def pause(self) -> None:
        """Stop it in its tracks: connections stay open, and nothing is answered."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    async def _answers(self) -> bool:
        async with self.client() as client:
            try:
                return bool(await client.ping())
            except Exception:
                return False
