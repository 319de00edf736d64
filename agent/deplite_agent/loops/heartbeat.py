"""Says again and again that this agent lives: the server also hears it where no stream gets through."""

import asyncio
import logging
import random

from deplite_agent.errors import AwayError, RefusedError
from deplite_agent.transport import Transport

log = logging.getLogger(__name__)


async def beat(transport: Transport, period: float) -> None:
    """Send heartbeats until cancelled; one that does not get through is left to the next.

    Args:
        transport: signs and sends.
        period: seconds between two of them.

    Raises:
        RevokedError: the server says that this agent was revoked.
    """
    while True:
        # Agents that started together do not beat together.
        await asyncio.sleep(period * random.uniform(0.9, 1.0))  # noqa: S311 - spreads load, hides nothing
        try:
            await transport.call("POST", "/agent/heartbeat")
        except (AwayError, RefusedError) as error:
            log.info("a heartbeat did not get through: %s", error, extra={"action": "heartbeat_failed"})
