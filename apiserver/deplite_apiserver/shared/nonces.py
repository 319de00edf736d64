"""Nonces that any replica has seen.

While Redis is away agents' calls go on, for their jobs run: then a replica knows the nonces that it has seen itself.
What it saw meanwhile, or all of it where Redis came back empty, it tells Redis at once when that is back.
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
        self._untold: dict[Nonce, None] = {}

    async def spend(self, agent_id: str, nonce: str, timestamp: int) -> bool:
        """As `Nonces.spend`; while Redis is away, false only where this replica has seen it."""
        if not await self._own.spend(agent_id, nonce, timestamp):
            return False
        try:
            return await set_first(self._link, self._key((agent_id, nonce)), KEPT_SECONDS, wait=WAIT_SECONDS)
        except UnavailableError:
            self._untold[agent_id, nonce] = None
            return True

    async def tell(self, everything: bool) -> None:
        """Tell Redis what was spent while it was away, or everything that this replica remembers.

        Raises:
            UnavailableError: it is away again; what it was not told is told next time.
        """
        remembered = set(self._own.remembered())
        nonces = list(remembered) if everything else [one for one in self._untold if one in remembered]
        self._untold = dict.fromkeys(nonces)
        for first in range(0, len(nonces), _TOLD_A_CALL):
            some = nonces[first : first + _TOLD_A_CALL]
            await self._link.ask(partial(self._send, some), repeatable=True)
            for one in some:
                self._untold.pop(one, None)

    async def _send(self, nonces: Sequence[Nonce]) -> None:
        pipeline = self._link.client.pipeline(transaction=False)
        for one in nonces:
            pipeline.set(self._key(one), b"told", nx=True, ex=KEPT_SECONDS)
        await pipeline.execute()

    def _key(self, nonce: Nonce) -> str:
        return self._link.key("nonce", *nonce)
