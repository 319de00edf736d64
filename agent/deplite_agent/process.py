"""One run of an enrolled agent: its loops, from the first connect to the drain."""

import asyncio
import logging
import secrets
import time
from collections.abc import Coroutine
from typing import Any

from deplite.failpoints import skewed
from deplite.protocol.request import RequestSigner
from deplite_agent.artifacts.storage import Storage
from deplite_agent.errors import RevokedError
from deplite_agent.identity import Identity, StateFolder
from deplite_agent.jobs.desk import Desk
from deplite_agent.jobs.environment import SecretStore
from deplite_agent.jobs.job import Tools
from deplite_agent.loops.heartbeat import beat
from deplite_agent.loops.report import Reporter
from deplite_agent.loops.spool import tend
from deplite_agent.loops.stream import Events, Orders, hold_stream
from deplite_agent.settings import Settings
from deplite_agent.transport import Transport
from deplite_agent.workflows.inventory import Inventory

log = logging.getLogger(__name__)


class Process:
    """An agent at work."""

    def __init__(self, settings: Settings, state: StateFolder, identity: Identity, greeting: str) -> None:
        """Make it.

        Args:
            settings: what the environment says.
            state: this agent's folder, taken.
            identity: who it is.
            greeting: what to say once the server knows the workflows, e.g. `Enrolled as agent ag-…`.
        """
        agent_id = identity.enrolled.agent_id
        instance = secrets.token_hex(8)
        signer = RequestSigner(agent_id=agent_id, key=identity.key)
        self._settings, self._state = settings, state
        self._greeting = greeting
        self._transport = Transport(
            settings.url, signer, instance, silence=settings.silence_seconds, clock=skewed(time.time, "agent")
        )
        self._storage = Storage()
        inventory = Inventory(settings.workflows)
        self._reporter = Reporter(self._transport, inventory, scan_seconds=settings.scan_seconds)
        tools = Tools(
            transport=self._transport,
            storage=self._storage,
            inventory=inventory,
            secrets=SecretStore(settings.secrets),
            slots=asyncio.Semaphore(settings.concurrency),
            grace=settings.grace_seconds,
        )
        self._desk = Desk(state.jobs, instance, tools)
        self._revoked = asyncio.Event()
        orders = Orders(report=self._reporter.ask, revoke=self._revoked.set)
        self._events = Events(self._desk, orders, agent_id=agent_id, key=identity.server_key, now=self._transport.now)

    async def run(self, stop: asyncio.Event, hurry: asyncio.Event) -> None:
        """Work until told to stop, then let running jobs end.

        Args:
            stop: begin to end.
            hurry: end at once.

        Raises:
            RevokedError: this agent was revoked.
        """
        loops = [
            asyncio.create_task(work)
            for work in (
                tend(self._desk),
                self._reporter.run(),
                beat(self._transport, self._settings.heartbeat_seconds),
                hold_stream(self._transport, self._events, self._connected),
                self._greet(),
            )
        ]
        try:
            await self._until(loops, stop)
            await _first(self._desk.drain(self._settings.drain_seconds), hurry.wait())
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
            await self._desk.close()
            await self._transport.close()
            await self._storage.close()

    async def _until(self, loops: list["asyncio.Task[None]"], stop: asyncio.Event) -> None:
        """Return when told to stop.

        Raises:
            RevokedError: a signed event says so, or the server refuses our key for good.
        """
        waits = [asyncio.create_task(stop.wait()), asyncio.create_task(self._revoked.wait())]
        try:
            watched: set[asyncio.Task[Any]] = {*waits, *loops}
            while not any(wait.done() for wait in waits):
                done, watched = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()  # a loop ends by an error only, but for the greeting
        finally:
            for wait in waits:
                wait.cancel()
        if self._revoked.is_set():
            self._desk.stop_all()
            await self._desk.drain(0)
            self._state.forget()
            raise RevokedError("This agent was revoked and has forgotten its key; to use this machine again, enrol it.")

    async def _greet(self) -> None:
        """Say who we are once the server knows what we offer: whoever waits for this line finds the workflows."""
        await self._reporter.first()
        if self._settings.log_format == "json":
            log.info("%s", self._greeting, extra={"action": "ready"})
        else:
            print(self._greeting, flush=True)  # noqa: T201 - documented output

    def _connected(self) -> None:
        log.info("connected to %s", self._settings.url, extra={"action": "connected"})


async def _first(work: Coroutine[Any, Any, None], other: Coroutine[Any, Any, Any]) -> None:
    """Run both until one has ended."""
    tasks = [asyncio.create_task(work), asyncio.create_task(other)]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
