"""When each token was last used: noted in memory, written at most once a minute a token.

A use is worth no write of its own: a token may be used a thousand times a minute. What `status.lastUsedAt` says already
decides when the next write is due, so several replicas together write no more often than one.
"""

import asyncio
import logging
from datetime import datetime, timedelta

from deplite.kube.cache import Cache, Key
from deplite.kube.client import KubeClient
from deplite.kube.errors import KubeError, UnavailableError
from deplite.resources import ApiToken
from deplite.resources.resource import utc
from deplite_apiserver.clock import Clock

log = logging.getLogger(__name__)

FLUSH_EVERY = timedelta(minutes=1)
_LOOK_SECONDS = 5.0
"""How often the loop asks whether something is due."""


class TokenUsage:
    """The one writer of `ApiToken.status.lastUsedAt`."""

    def __init__(self, kube: KubeClient, tokens: Cache[ApiToken], clock: Clock) -> None:
        self._kube, self._tokens, self._clock = kube, tokens, clock
        self._used: dict[Key, datetime] = {}

    def note(self, token: ApiToken) -> None:
        """Note that a token was just good for a call."""
        self._used[token.key] = self._clock.now()

    async def run(self) -> None:
        """Write what is due, for ever."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            await self.flush()

    async def flush(self, *, all_of_them: bool = False) -> None:
        """Write what is due; with `all_of_them` (the process ends) also what is not due yet."""
        for key, used_at in list(self._used.items()):
            token = self._tokens.get(*key)
            if token is None:
                del self._used[key]  # it was revoked meanwhile
                continue
            wanted = all_of_them or due(self._clock.now(), token.status.last_used_at)
            if wanted and not await self._write(token, used_at):
                return

    async def _write(self, token: ApiToken, used_at: datetime) -> bool:
        """Write one use; False: the Kubernetes API is away, and need not be asked for the others."""
        try:
            written = await self._kube.patch_status(ApiToken, *token.key, {"lastUsedAt": utc(used_at)})
        except UnavailableError as error:
            log.warning("last use of a token not written yet: %s", error, extra={"action": "usage_waits"})
            return False
        except KubeError as error:
            log.warning("last use of a token not written: %s", error, extra={"action": "usage_dropped"})
        else:
            self._tokens.note(written)
        if self._used.get(token.key) == used_at:  # a use that came meanwhile is written the next time
            del self._used[token.key]
        return True


def due(now: datetime, written: datetime | None) -> bool:
    """Whether a use may be written now, given what the object says already. Pure."""
    return written is None or now - written >= FLUSH_EVERY
