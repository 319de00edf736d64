"""Keeps the server's picture of this machine right: its facts, and the workflows that it offers."""

import asyncio
import contextlib
import logging
from typing import Any

from deplite.protocol.backoff import Backoff
from deplite_agent.enrollment import machine
from deplite_agent.errors import AwayError, RefusedError
from deplite_agent.transport import Transport
from deplite_agent.workflows.inventory import Inventory

log = logging.getLogger(__name__)


class Reporter:
    """Reports at the start, when asked, and when a file has changed."""

    def __init__(self, transport: Transport, inventory: Inventory, *, scan_seconds: float) -> None:
        """Make it.

        Args:
            transport: signs and sends.
            inventory: the folder.
            scan_seconds: how often the folder is looked at for changes.
        """
        self._scan_seconds = scan_seconds
        self._transport = transport
        self._inventory = inventory
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._done = asyncio.Event()

    def ask(self) -> None:
        """Have the workflows read and reported now."""
        self._wanted.set()

    async def first(self) -> None:
        """Wait until the server knows the workflows, or has refused them."""
        await self._done.wait()

    async def run(self) -> None:
        """Report for ever.

        Raises:
            RevokedError: the server says that this agent was revoked.
        """
        await self._deliver("PATCH", "/agent/identity", machine())
        while True:
            self._wanted.clear()
            seen = await asyncio.to_thread(self._inventory.fingerprint)
            scan = await asyncio.to_thread(self._inventory.scan)
            if await self._deliver("POST", "/agent/workflows/report", scan.report()):
                names = ", ".join(sorted(scan.found)) or "none"
                log.info("workflows reported: %s", names, extra={"action": "reported"})
            self._done.set()
            await self._until_changed(seen)

    async def _until_changed(self, seen: Any) -> None:
        while not self._wanted.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._scan_seconds):
                    await self._wanted.wait()
            if await asyncio.to_thread(self._inventory.fingerprint) != seen:
                return

    async def _deliver(self, method: str, path: str, body: dict[str, Any]) -> bool:
        """Send until the server answers; says whether it took it."""
        backoff = Backoff(first=0.5, most=30.0)
        while True:
            try:
                await self._transport.call(method, path, body)
            except AwayError as error:
                await asyncio.sleep(max(backoff.next(), error.retry_after))
            except RefusedError as error:
                log.error("the server refuses %s: %s", path, error, extra={"action": "report_refused"})
                return False
            else:
                return True
