"""Says every minute that this agent lives: the server also hears it where no stream gets through."""

import asyncio
import logging
import random

from deplite_agent.errors import AwayError, RefusedError
from deplite_agent.transport import Transport

log = logging.getLogger(__name__)

PERIOD_SECONDS = 60.0


async def beat(transport: Transport) -> None:
    """Send a heartbeat a minute until cancelled; one that does not get through is left to the next.

    Raises:
        RevokedError: the server says that this agent was revoked.
    """
    while True:
        # Agents that started together do not beat together.
        await asyncio.sleep(PERIOD_SECONDS * random.uniform(0.9, 1.0))  # noqa: S311 - spreads load, hides nothing
        try:
            await transport.call("POST", "/agent/heartbeat")
        except (AwayError, RefusedError) as error:
            log.info("a heartbeat did not get through: %s", error, extra={"action": "heartbeat_failed"})
