"""Wake-ups from replica to replica: cheap, at once, and allowed to get lost: who waits for one looks by itself, too.

The one who rings does not hear it. Callers say what they ring in a topic and a payload of JSON.
"""

import asyncio
import json
import logging
import secrets
import time
from collections.abc import Callable
from typing import Any, Protocol

from deplite_apiserver.errors import UnavailableError
from deplite_apiserver.shared.link import ERRORS, Link

log = logging.getLogger(__name__)

MAX_WAITING = 10_000
"""Rings that wait to be sent; beyond, they are lost."""
MAX_A_MESSAGE = 500
TICK_SECONDS = 5.0
"""Without anything to ring, an empty message goes out so often: who hears not even their own connects anew."""
DEAF_SECONDS = 15.0
RETRY_SECONDS = 1.0

Callback = Callable[[Any], None]


class Bells(Protocol):
    """Rings at the other replicas."""

    def ring(self, topic: str, payload: Any) -> None:
        """Wake those who subscribed to a topic on the other replicas."""

    def subscribe(self, topic: str, callback: Callback) -> None:
        """Call back with the payload when another replica rings; synchronous, cheap."""


class NoBells:
    """Of the only replica that there is: nobody else is there to hear."""

    def ring(self, topic: str, payload: Any) -> None:
        """As `Bells.ring`."""

    def subscribe(self, topic: str, callback: Callback) -> None:
        """As `Bells.subscribe`."""


class RedisBells:
    """One channel of Redis for all topics of an installation."""

    def __init__(self, link: Link) -> None:
        self._link, self._channel = link, link.key("bells")
        self._me = secrets.token_hex(8)
        self._callbacks: dict[str, list[Callback]] = {}
        self._waiting: list[tuple[str, Any]] = []
        self._wake = asyncio.Event()
        self.listening = asyncio.Event()
        """Set while the channel is subscribed to."""

    def ring(self, topic: str, payload: Any) -> None:
        """As `Bells.ring`."""
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append((topic, payload))
            self._wake.set()

    def subscribe(self, topic: str, callback: Callback) -> None:
        """As `Bells.subscribe`."""
        self._callbacks.setdefault(topic, []).append(callback)

    async def run(self) -> None:
        """Send and hear, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send())
            group.create_task(self._listen())

    async def _send(self) -> None:
        while True:
            try:
                async with asyncio.timeout(TICK_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                pass
            some, self._waiting = self._waiting[:MAX_A_MESSAGE], self._waiting[MAX_A_MESSAGE:]
            if not self._waiting:
                self._wake.clear()
            message = json.dumps({"from": self._me, "rings": some}, separators=(",", ":"))
            try:
                await self._link.ask(lambda message=message: self._link.client.publish(self._channel, message))  # type: ignore[misc]
            except UnavailableError as error:
                log.debug("bells not rung: %s", error)
            except Exception:
                log.exception("the bells cannot be rung", extra={"action": "bells_failed"})
            else:
                continue
            # All are lost, as they may be: one that came after an outage would tell of before as if it were now.
            self._waiting.clear()
            await asyncio.sleep(RETRY_SECONDS)

    async def _listen(self) -> None:
        while True:
            try:
                await self._hear()
            except ERRORS as error:
                log.debug("bells not heard: %s", error)
            except Exception:  # a listener that ended would never wake anybody again
                log.exception("the bells failed", extra={"action": "bells_failed"})
            self.listening.clear()
            await asyncio.sleep(RETRY_SECONDS)

    async def _hear(self) -> None:
        async with self._link.client.pubsub(ignore_subscribe_messages=True) as pubsub:
            async with asyncio.timeout(DEAF_SECONDS):
                await pubsub.subscribe(self._channel)
            heard_at = time.monotonic()
            self.listening.set()
            while time.monotonic() - heard_at < DEAF_SECONDS:
                message = await pubsub.get_message(timeout=RETRY_SECONDS)
                if message is not None:
                    heard_at = time.monotonic()
                    self._call(message["data"])

    def _call(self, data: bytes | str) -> None:
        message = json.loads(data)
        if message["from"] == self._me:
            return
        for topic, payload in message["rings"]:
            for callback in self._callbacks.get(topic, ()):
                try:
                    callback(payload)
                except Exception:  # perhaps a replica of another version: the other bells are heard all the same
                    log.exception("a bell of %s was not understood", topic, extra={"action": "bell_not_understood"})
