"""Tells the owners of an organization of each enrolment: an Event on the Agent, beside the audit record.

No enrolment waits for it or fails by it: what is to be told waits in memory, until the API server takes it or this
process ends. Events go after an hour; the audit record stays.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from deplite.kube.errors import AlreadyExistsError, UnavailableError
from deplite.kube.event import Event
from deplite.protocol.backoff import Backoff
from deplite.resources import Agent, AgentPool, EnrollmentToken
from deplite.resources.reasons import ENROLLED, KEY_REPLACED
from deplite.resources.resource import Resource
from deplite_apiserver.edge.body import printable

log = logging.getLogger(__name__)

MAX_WAITING = 1000
CLOSE_SECONDS = 1.0


class Teller(Protocol):
    """What is needed of `KubeClient`."""

    async def tell(self, about: Resource, event: Event) -> None:
        """Create an Event."""


class Notices:
    """The only writer of the Events `Enrolled` and `KeyReplaced`."""

    def __init__(self, store: Teller, now: Callable[[], datetime]) -> None:
        """Make it; `run` tells what it is given.

        Args:
            store: where Events are made.
            now: the present moment in UTC.
        """
        self._store, self._now = store, now
        self._waiting: asyncio.Queue[tuple[Agent, Event]] = asyncio.Queue(MAX_WAITING)

    def enrolled(self, agent: Agent, code: EnrollmentToken, *, key_sha256: str, source: str, replaces: bool) -> None:
        """Take note of an enrolment; never waits, never fails. The same code and key again are told once.

        Args:
            agent: the agent that the key now belongs to.
            code: the code that was spent.
            key_sha256: the digest of the key, as the code's status shows it.
            source: the client's address.
            replaces: whether the agent had another key before.
        """
        label = f" ({printable(code.spec.label)})" if code.spec.label else ""
        host = f" as host {printable(agent.status.hostname)}" if agent.status.hostname else ""
        spent = f"Code {code.status.prefix}…{label} was spent from {source or 'an unknown address'}{host}"
        effect = "replaces the one that the agent had" if replaces else "is the agent's"
        message = f"{spent}; key {key_sha256[:16]} {effect}."
        self._note(agent, code, key_sha256, message, warning=replaces)

    def pod_enrolled(self, agent: Agent, pool: AgentPool, *, key_sha256: str, source: str) -> None:
        """Take note that a pod has become the agent of its node; otherwise as `enrolled`."""
        pod = agent.status.pod.name if agent.status.pod is not None else ""
        message = f"Pod {pod} of the pool {pool.name} enrolled from {source or 'an unknown address'}"
        self._note(agent, pool, key_sha256, f"{message}; key {key_sha256[:16]} is the agent's.")

    def _note(
        self, agent: Agent, source: EnrollmentToken | AgentPool, key_sha256: str, message: str, *, warning: bool = False
    ) -> None:
        event = Event(
            reason=KEY_REPLACED if warning else ENROLLED,
            message=message,
            component="deplite-apiserver",
            at=self._now(),
            warning=warning,
            key=f"{agent.metadata.uid} {source.metadata.uid} {key_sha256}",
        )
        try:
            self._waiting.put_nowait((agent, event))
        except asyncio.QueueFull:
            _untold(agent, "too many are waiting")

    async def run(self) -> None:
        """Tell, for ever."""
        while True:
            agent, event = await self._waiting.get()
            try:
                await self._tell(agent, event)
            except Exception as error:  # whatever it is, the next one may be told
                _untold(agent, f"{type(error).__name__}: {error}")
            finally:
                self._waiting.task_done()

    async def close(self) -> None:
        """Tell what waits, if that takes no longer than a second."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._waiting.join()

    async def _tell(self, agent: Agent, event: Event) -> None:
        backoff = Backoff()
        while True:
            try:
                await self._store.tell(agent, event)
            except UnavailableError:
                await asyncio.sleep(backoff.next())
                continue
            except AlreadyExistsError:
                pass  # a repeat, or an answer that was lost
            return


def _untold(agent: Agent, why: str) -> None:
    log.warning("no Event tells that %s enrolled: %s", agent.name, why, extra={"action": "enrolment_untold"})
