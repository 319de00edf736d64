"""The one door to Redis: bounded in time and number, and closed at once while Redis is away.

Who asks gets the answer or `UnavailableError`: nothing here is guessed. One pulse a second (`shared/pulse.py`) looks
whether Redis is back; until then nobody else waits for it.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    NoPermissionError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
)

from deplite.patience import patience
from deplite_apiserver.errors import UnavailableError
from deplite_apiserver.metrics.metrics import Metrics
from deplite_apiserver.shared.connect import Client, disconnect

log = logging.getLogger(__name__)

USUAL_SECONDS = 5.0
MAX_CALLS = 16
"""At a time, and so connections; others wait their turn, within their patience. Redis does one thing at a time, too."""
TRIES = 3
ERRORS = (RedisError, RedisClusterException, OSError)
"""What the client raises where Redis is away or says no. With a cluster that may be an error of no common kind."""
_REFUSALS = (AuthenticationError, AuthorizationError, NoPermissionError)
_PAUSE = 0.05

Found = TypeVar("Found")
Argument = str | int | float | bytes


class RedisAwayError(UnavailableError):
    """Redis does not answer, or refuses us."""

    default = "The store that the replicas share does not answer for the moment; try again."


class Link:
    """The connection of one replica.

    A call that takes too long says nothing of Redis: it may have waited for its turn, or for this process. Only the
    pulse's, which waits for no turn, does.

    Attributes:
        refused: Redis answers, but does not let us in, and never has: wrong credentials.
        returns: how often Redis was back after it had been away.
    """

    def __init__(self, client: Client, installation: str, metrics: Metrics) -> None:
        """Make it; nothing is connected before the first call.

        Args:
            client: of `connect`.
            installation: what tells this installation from all others on the same Redis.
            metrics: counts calls, and failures: those refused at once while Redis is away, too.
        """
        self.client, self._metrics = client, metrics
        self._prefix = f"deplite:{{{installation}}}"
        self._places = asyncio.Semaphore(MAX_CALLS)
        self._away_since: float | None = None
        self._trouble: str | None = None
        """What was last said of it in the log."""
        self._welcome = self.refused = False
        self.returns = 0

    @property
    def away(self) -> bool:
        """Whether Redis did not answer, or said no, and has not answered since."""
        return self._away_since is not None

    def key(self, *parts: str) -> str:
        """Return the name of a key; the braces put all of an installation's into one slot of a cluster."""
        return ":".join((self._prefix, *parts))

    async def run(
        self,
        script: str,
        keys: Sequence[str],
        arguments: Sequence[Argument] = (),
        *,
        repeatable: bool = False,
        probing: bool = False,
        seconds: float = USUAL_SECONDS,
    ) -> Any:
        """Run a Lua script; as `ask`."""

        async def run() -> Any:
            return await self.client.eval(script, len(keys), *keys, *map(_text, arguments))

        return await self.ask(run, repeatable=repeatable, probing=probing, seconds=seconds)

    async def ask(
        self,
        call: Callable[[], Awaitable[Found]],
        *,
        repeatable: bool = False,
        probing: bool = False,
        seconds: float = USUAL_SECONDS,
    ) -> Found:
        """Make a call.

        Args:
            call: makes it, once each time that it is called.
            repeatable: whether it may be made again after its answer was lost.
            probing: make it at once, also while Redis is away: this one finds out whether it is.
            seconds: to wait, by those who are in no hurry.

        Raises:
            RedisAwayError: no answer, or one that says no.
        """
        self._metrics.redis_calls.inc()
        if self.away and not probing:
            self._metrics.redis_failures.inc()
            raise RedisAwayError(retry_after=1)
        limit = asyncio.timeout(patience(seconds))
        try:
            async with limit, contextlib.nullcontext() if probing else self._places:
                found = await self._tried(call, TRIES if repeatable else 1)
        except ERRORS as error:
            self._metrics.redis_failures.inc()
            if probing or not limit.expired():
                self._note(error)
            if _is(error, ReadOnlyError):
                await self._connect_anew()
            raise RedisAwayError(retry_after=1) from error
        self._answered()
        return found

    async def close(self) -> None:
        """Let go of all connections."""
        await disconnect(self.client)

    async def _connect_anew(self) -> None:
        """Drop all connections: their server follows another one now, to which the same address may lead."""
        with contextlib.suppress(*ERRORS):
            await self.client.aclose()

    async def _tried(self, call: Callable[[], Awaitable[Found]], tries: int) -> Found:
        for attempt in range(1, tries + 1):
            try:
                return await call()
            except ERRORS:
                if attempt == tries:
                    raise
                await asyncio.sleep(_PAUSE)
        raise AssertionError("unreachable")

    def _answered(self) -> None:
        if self._away_since is not None:
            seconds = time.monotonic() - self._away_since
            log.info("Redis is back after %.1f s", seconds, extra={"action": "redis_back"})
            self.returns += 1
        self._away_since, self._trouble, self._welcome, self.refused = None, None, True, False

    def _note(self, error: Exception) -> None:
        if self._away_since is None:
            self._away_since = time.monotonic()
        trouble = _trouble(error)
        if trouble == "redis_refused":
            self.refused = not self._welcome
        if trouble != self._trouble:  # said once, and again where it is another one
            self._trouble = trouble
            level = logging.ERROR if trouble == "redis_refused" else logging.WARNING
            log.log(level, _SAID[trouble], type(error).__name__, error, extra={"action": trouble})


_SAID = {
    "redis_refused": "Redis refuses us (%s: %s): check DEPLITE_REDIS_PASSWORD_FILE and DEPLITE_REDIS_USERNAME; limited "
    "calls get 503 until then",
    "redis_unwilling": "Redis answers, but takes nothing (%s: %s): limited calls get 503, all else goes on",
    "redis_away": "Redis is away (%s: %s): limited calls get 503, all else goes on",
}


def _trouble(error: Exception) -> str:
    if _is(error, *_REFUSALS):
        return "redis_refused"
    return "redis_unwilling" if _is(error, ResponseError) else "redis_away"


def _is(error: Exception, *kinds: type[Exception]) -> bool:
    """Whether it is one of them, or the client's error for one: it has others for a Sentinel's master and a cluster."""
    return isinstance(error, kinds) or isinstance(error.__cause__ or error.__context__, kinds)


def _text(argument: Argument) -> str | bytes:
    return argument if isinstance(argument, bytes) else str(argument)
