"""Holds the job stream: opened from here, opened again whenever it ends, with waits that spread a fleet."""

import asyncio
import json
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from deplite.protocol.backoff import Backoff
from deplite.protocol.envelope import unseal
from deplite.protocol.errors import ProtocolError
from deplite.protocol.request import CLOCK_WINDOW_SECONDS
from deplite_agent.errors import AwayError, RefusedError
from deplite_agent.jobs.desk import Desk
from deplite_agent.jobs.order import Order
from deplite_agent.transport import Transport

log = logging.getLogger(__name__)

SETTLED_SECONDS = 15.0
"""A stream that lived so long was no part of a quarrel: the next try comes soon. A server that wants to spread its
streams anew leaves those alone that are not much older."""
DISPLACED_SECONDS = 60.0
"""Another process uses our identity: so long it has the stream before we take it back."""
MAX_EVENT_BYTES = 256 * 1024
_MAX_NONCES = 20_000


async def hold_stream(transport: Transport, events: "Events", connected: Callable[[], None]) -> None:
    """Hold the stream until cancelled.

    Args:
        transport: signs and sends.
        events: obeys what comes.
        connected: called at each connect.

    Raises:
        RevokedError: the server says that this agent was revoked.
    """
    backoff = Backoff(first=0.5, most=30.0)
    while True:
        opened_at: float | None = None
        asked = 0.0
        try:
            async with transport.stream() as lines:
                opened_at = time.monotonic()
                connected()
                async for name, data in read_events(lines):
                    events.handle(name, data)
            log.info("the server closed the stream", extra={"action": "stream_closed"})
        except AwayError as error:
            asked = error.retry_after
            log.warning("%s", error, extra={"action": "stream_lost"})
        except RefusedError as error:
            log.error("the stream is refused: %s", error, extra={"action": "stream_refused"})
        asked = max(asked, events.patience())
        if opened_at is not None and time.monotonic() - opened_at > SETTLED_SECONDS:
            backoff.reset()
        await asyncio.sleep(max(backoff.next(), asked))


async def read_events(lines: AsyncIterator[str]) -> AsyncIterator[tuple[str, Any]]:
    """Yield name and data of each server-sent event; one whose data is no JSON object is left out."""
    name, data, size = "message", [], 0
    async for line in lines:
        if line:
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                name = value
            elif field == "data" and (size := size + len(value)) <= MAX_EVENT_BYTES:
                data.append(value)
            continue
        if data:
            try:
                body = json.loads("\n".join(data))
            except (ValueError, RecursionError):
                body = None
            if isinstance(body, dict) and size <= MAX_EVENT_BYTES:
                yield name, body
            else:
                log.warning("an event of the stream is no JSON object", extra={"action": "bad_event"})
        name, data, size = "message", [], 0


@dataclass(frozen=True, kw_only=True)
class Orders:
    """What events may ask for, besides jobs."""

    report: Callable[[], None]
    """Scan the workflows and report them."""
    revoke: Callable[[], None]
    """Forget the key, and end."""


class Events:
    """Obeys signed events, each once; the server's key was pinned at the enrolment."""

    def __init__(
        self, desk: Desk, orders: Orders, *, agent_id: str, key: Ed25519PublicKey, now: Callable[[], float]
    ) -> None:
        """Make the handler.

        Args:
            desk: the jobs.
            orders: what else may be asked for.
            agent_id: this agent; events for another one are not obeyed.
            key: what events must be signed with.
            now: unix seconds by the server's clock.
        """
        self._desk, self._orders = desk, orders
        self._agent_id, self._key, self._now = agent_id, key, now
        self._displaced = False
        self._nonces: OrderedDict[str, float] = OrderedDict()

    def handle(self, name: str, data: Mapping[str, Any]) -> None:
        """Obey one event; one that does not verify is logged and left alone.

        Raises:
            AwayError: it is ours, but too old: this machine slept, or its clock has changed. A new stream learns the
                server's clock, and brings whatever still is to be done, signed anew.
        """
        try:
            match name:
                case "deploy":
                    self._deploy(self._verified(data))
                case "cancel":
                    self._cancel(self._verified(data.get("signed"), event="cancel"))
                case "revoke":
                    self._verified(data.get("signed"), event="revoke")
                    self._orders.revoke()
                case "sync_workflows" | "workflows-refresh":
                    self._orders.report()
                case "displaced":
                    self._displaced = True  # not signed: a stranger in between could as well cut the stream
                    log.error(
                        "another process uses this agent's identity: stop the copy, or enrol it as another agent",
                        extra={"action": "duplicate_identity"},
                    )
        except (ProtocolError, RecursionError) as error:
            log.error("a %s event is not obeyed: %s", name, error, extra={"action": "event_refused"})
        except AwayError:
            raise
        except Exception:  # a fault of ours with one event must not end the agent, and all jobs with it
            log.exception("a %s event made the agent fail", name, extra={"action": "event_failed"})

    def patience(self) -> float:
        """Return how many seconds the next connect is to wait at least, and forget why."""
        displaced, self._displaced = self._displaced, False
        return DISPLACED_SECONDS if displaced else 0.0

    def _deploy(self, payload: Mapping[str, Any]) -> None:
        order = Order.from_payload(payload)
        if order is None:
            raise ProtocolError("its payload names no job and workflow")
        self._desk.take(order)

    def _cancel(self, payload: Mapping[str, Any]) -> None:
        job_id, uid, reason = (str(payload.get(name) or "") for name in ("job_id", "job_uid", "reason"))
        self._desk.cancel(job_id, uid, reason)

    def _verified(self, envelope: Any, *, event: str | None = None) -> Mapping[str, Any]:
        """Return the payload of an event that is signed, fresh, new, and for this agent.

        Raises:
            ProtocolError: it is not.
            AwayError: all but fresh.
        """
        payload = unseal(self._key, envelope)
        if payload.get("event") != event:
            raise ProtocolError("it was signed for something else")
        if payload.get("agent_id") != self._agent_id:
            raise ProtocolError("it is for another agent")
        issued_at, nonce = payload.get("issued_at"), payload.get("nonce")
        if not isinstance(issued_at, int) or abs(self._now() - issued_at) > CLOCK_WINDOW_SECONDS:
            raise AwayError("An event is out of time: this machine slept, or its clock has changed. Connecting anew.")
        if not isinstance(nonce, str) or not self._is_new(nonce, issued_at):
            raise ProtocolError("it came before")
        return payload

    def _is_new(self, nonce: str, issued_at: int) -> bool:
        if nonce in self._nonces:
            return False
        self._nonces[nonce] = issued_at
        oldest = self._now() - 2 * CLOCK_WINDOW_SECONDS
        while self._nonces and (len(self._nonces) > _MAX_NONCES or next(iter(self._nonces.values())) < oldest):
            self._nonces.popitem(last=False)
        return True
