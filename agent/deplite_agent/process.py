"""One run of an enrolled agent: its loops, from the first connect to the drain."""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Coroutine
from typing import Any

import httpx

from deplite.failpoints import skewed
from deplite.protocol.phases import Reason
from deplite.protocol.request import RequestSigner
from deplite_agent.artifacts.storage import Storage
from deplite_agent.credential import Credential
from deplite_agent.enrollment import enroll
from deplite_agent.errors import ReenrolledError, ReplacedError, RevokedError
from deplite_agent.identity import Enrolled, Identity, StateFolder
from deplite_agent.jobs.desk import Desk
from deplite_agent.jobs.environment import SecretStore
from deplite_agent.jobs.job import Tools
from deplite_agent.jobs.result import Result, crashed, stopped
from deplite_agent.loops.heartbeat import beat
from deplite_agent.loops.rejoin import rejoin
from deplite_agent.loops.report import Reporter
from deplite_agent.loops.spool import tend
from deplite_agent.loops.stream import Events, Orders, hold_stream
from deplite_agent.settings import Settings
from deplite_agent.transport import Transport
from deplite_agent.workflows.inventory import Inventory

log = logging.getLogger(__name__)

REPORT_SECONDS = 5.0
"""So long the first stream waits for the workflows to be reported: a job that waits would be refused before that."""
SIGNED_SECONDS = 2.0
"""A call is told that the agent was revoked: so long the stream may still bring that signed."""

_FORGOTTEN = "This agent was revoked and has forgotten its key; to use this machine again, enrol it."


class Process:
    """An agent at work."""

    def __init__(
        self,
        settings: Settings,
        state: StateFolder,
        identity: Identity,
        greeting: str,
        *,
        client: httpx.AsyncClient | None = None,
        signed_seconds: float = SIGNED_SECONDS,
    ) -> None:
        """Make it.

        Args:
            settings: what the environment says.
            state: this agent's folder, taken.
            identity: who it is.
            greeting: what to say once the server knows the workflows, e.g. `Enrolled as agent ag-…`.
            client: another HTTP client.
            signed_seconds: how long a revocation that nobody signed waits for the one that is.
        """
        agent_id = identity.enrolled.agent_id
        instance = secrets.token_hex(8)
        signer = RequestSigner(agent_id=agent_id, key=identity.key)
        self._settings, self._state = settings, state
        self._identity, self._greeting = identity, greeting
        self._signed_seconds = signed_seconds
        self._transport = Transport(
            settings.url,
            signer,
            instance,
            renewed=settings.token_file is not None,
            silence=settings.silence_seconds,
            clock=skewed(time.time, "agent"),
            client=client,
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
        self._revocation_signed = asyncio.Event()
        self._fault: Exception | None = None
        orders = Orders(report=self._reporter.ask, revoke=self._revocation_signed.set)
        self._events = Events(self._desk, orders, agent_id=agent_id, key=identity.server_key, now=self._transport.now)

    async def run(self, stop: asyncio.Event, hurry: asyncio.Event) -> None:
        """Work until told to stop, then let running jobs end. Who is not the agent any more does not wait for that.

        Args:
            stop: begin to end.
            hurry: end at once.

        Raises:
            RevokedError: this agent was revoked.
            ReplacedError: another pod of the pool is this agent now.
            ReenrolledError: it is another agent by now, or its server has another key.
        """
        stream = asyncio.create_task(self._hold_stream())  # it outlives the other loops: see `_end_revoked`
        try:
            loops = [self._watched(loop, stop) for loop in (*self._loops(), _end_of(stream))]
            await _first(*loops, self._drain(stop), hurry.wait())
        except RevokedError as error:
            raise await self._end_revoked(error, hurry) from None
        except (ReplacedError, ReenrolledError):
            await self._stop_all(crashed("The agent lost its identity while the job ran."), 0, hurry)
            raise
        finally:
            stream.cancel()
            await asyncio.gather(stream, return_exceptions=True)
            await self._desk.close()
            await self._transport.close()
            await self._storage.close()

    async def _drain(self, stop: asyncio.Event) -> None:
        await stop.wait()
        await self._desk.drain(self._settings.drain_seconds, self._settings.delivery_seconds)
        if self._fault is not None:
            raise self._fault

    async def _watched(self, loop: Coroutine[Any, Any, None], stop: asyncio.Event) -> None:
        """Run a loop; an error that nobody foresaw waits for the end of a drain: the steps have done nothing wrong."""
        try:
            await loop
        except (RevokedError, ReplacedError, ReenrolledError):
            raise
        except Exception as error:
            if not stop.is_set():
                raise
            log.exception("a loop failed while the agent drains", extra={"action": "loop_failed"})
            self._fault = self._fault or error
            await asyncio.Event().wait()

    async def _end_revoked(self, error: RevokedError, hurry: asyncio.Event) -> RevokedError:
        """Stop everything, forget the key if the server signs that, and return what to end with."""
        await self._stop_all(stopped(Reason.AGENT_REVOKED), self._settings.delivery_seconds, hurry)
        await _first(self._revocation_signed.wait(), hurry.wait(), asyncio.sleep(self._signed_seconds))
        if not self._revocation_signed.is_set():
            return error
        try:
            self._state.forget()
        except OSError:
            log.exception("the key cannot be forgotten", extra={"action": "end_failed"})
            return error
        return RevokedError(_FORGOTTEN)

    async def _stop_all(self, result: Result, delivery_seconds: float, hurry: asyncio.Event) -> None:
        try:
            self._desk.stop_all(result)
            await _first(self._desk.drain(0, delivery_seconds), hurry.wait())
        except Exception:  # another exit code would have it started again
            log.exception("jobs could not be stopped", extra={"action": "end_failed"})

    def _loops(self) -> list[Coroutine[Any, Any, None]]:
        """Return what goes on until the end of the process; each ends by an error only."""
        loops = [
            tend(self._desk),
            self._reporter.run(),
            beat(self._transport, self._settings.heartbeat_seconds),
            self._greet(),
            self._transport.until_revoked(),
            self._until_signed(),
        ]
        if self._settings.token_file is not None:
            loops.append(rejoin(self._transport, self._identity.enrolled, self._enroll, self._reporter.ask))
        return loops

    async def _hold_stream(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REPORT_SECONDS):
                await self._reporter.first()
        await hold_stream(self._transport, self._events, self._connected)

    async def _enroll(self) -> Enrolled:
        credential = Credential(file=self._settings.token_file)
        return await enroll(self._transport, credential, self._settings.name, self._state)

    async def _until_signed(self) -> None:
        """Wait for the signed event.

        Raises:
            RevokedError: it came.
        """
        await self._revocation_signed.wait()
        raise RevokedError("This agent was revoked.")

    async def _greet(self) -> None:
        """Say who we are once the server knows what we offer: whoever waits for this line finds the workflows."""
        await self._reporter.first()
        if self._settings.log_format == "json":
            log.info("%s", self._greeting, extra={"action": "ready"})
        else:
            print(self._greeting, flush=True)  # noqa: T201 - documented output
        await asyncio.Event().wait()

    def _connected(self) -> None:
        log.info("connected to %s", self._settings.url, extra={"action": "connected"})


async def _end_of(task: "asyncio.Task[None]") -> None:
    """Wait for it; whoever gives that up leaves it alone."""
    await asyncio.shield(task)


async def _first(*works: Coroutine[Any, Any, Any]) -> None:
    """Run all of them until one has ended, and raise its error if it has one; the others are cancelled."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
