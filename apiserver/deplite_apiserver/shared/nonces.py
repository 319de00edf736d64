"""Nonces that any replica has seen.

While Redis is away agents' calls go on, for their jobs run: then a replica knows the nonces that it has seen itself.
It tells Redis all of them as soon as that is back. A Redis that is there and does not answer in time may know a nonce:
such a call is refused, and its agent makes it again, with another one.
"""

from collections.abc import Sequence
from functools import partial

from deplite.protocol.request import CLOCK_WINDOW_SECONDS
from deplite_apiserver.auth.nonces import MemoryNonces
from deplite_apiserver.errors import UnavailableError
from deplite_apiserver.shared.link import Link
from deplite_apiserver.shared.once import set_first

KEPT_SECONDS = 2 * CLOCK_WINDOW_SECONDS + 1
"""A request signed 300 s ahead of our clock can be replayed until our clock is 300 s ahead of it."""
WAIT_SECONDS = 1.0
"""For Redis: an agent's call is not held up for longer by one that is slow."""
_TOLD_A_CALL = 500

Nonce = tuple[str, str]
"""Agent id and nonce."""


class RedisNonces:
    """As `Nonces`, for all replicas together."""

    def __init__(self, link: Link) -> None:
        self._link, self._own = link, MemoryNonces()

    async def spend(self, agent_id: str, nonce: str, timestamp: int) -> bool:
        """As `Nonces.spend`; while Redis is away, false only where this replica has seen it.

        Raises:
            UnavailableError: Redis is there, but has not answered in time.
        """
        if not await self._own.spend(agent_id, nonce, timestamp):
            return False
        try:
            return await set_first(self._link, self._key((agent_id, nonce)), KEPT_SECONDS, wait=WAIT_SECONDS)
        except UnavailableError:
            if self._link.away:
                return True
            raise

    async def tell(self) -> None:
        """Tell Redis everything that this replica remembers.

        Raises:
            UnavailableError: it is away again, and has perhaps heard a part.
        """
        nonces = list(self._own.remembered())
        for first in range(0, len(nonces), _TOLD_A_CALL):
            await self._link.ask(partial(self._send, nonces[first : first + _TOLD_A_CALL]), repeatable=True)

    async def _send(self, nonces: Sequence[Nonce]) -> None:
        pipeline = self._link.client.pipeline(transaction=False)
        for one in nonces:
            pipeline.set(self._key(one), b"told", nx=True, ex=KEPT_SECONDS)
        await pipeline.execute()

    def _key(self, nonce: Nonce) -> str:
        return self._link.key("nonce", *nonce)
