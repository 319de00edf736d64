"""Enrols again, with the key that there is, when the server says that it does not know this agent any more.

Only with a credential that is renewed: a pod's token, whose Agent was deleted while the pod lives, or a file into which
somebody put a new code (one that it has enrolled with is spent). Where nothing is wrong with us (a replica that had not
heard of our key yet), nothing changes.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from deplite.protocol.backoff import Backoff
from deplite_agent.errors import AwayError, EnrollmentError, ReenrolledError, RefusedError, StateError
from deplite_agent.identity import Enrolled
from deplite_agent.transport import Transport

log = logging.getLogger(__name__)

SETTLE_SECONDS = 2.0
"""Within so long a replica hears what another one wrote."""


async def rejoin(
    transport: Transport, enrolled: Enrolled, enroll: Callable[[], Awaitable[Enrolled]], rejoined: Callable[[], None]
) -> None:
    """Keep this agent known, until cancelled.

    Args:
        transport: says when the server does not know us.
        enrolled: who we are.
        enroll: enrols once more, and keeps that; tries until the server answers.
        rejoined: is called then: the server may have forgotten what this agent offers.

    Raises:
        ReenrolledError: we are somebody else by now.
        ReplacedError: another pod of the pool is this agent now.
        RevokedError: the server says that this agent was revoked.
    """
    backoff = Backoff(first=4.0, most=120.0)
    while True:
        await transport.disowned.wait()
        await asyncio.sleep(SETTLE_SECONDS)
        if await _known(transport):
            backoff.reset()
            continue
        try:
            found = await enroll()
        except (EnrollmentError, StateError) as error:  # who puts a new code into the file is heard at a later try
            log.error("%s", error, extra={"action": "enroll_failed"})
        else:
            if found != enrolled:
                raise ReenrolledError(found)
            log.info("enrolled again as %s", found.agent_id, extra={"action": "enrolled"})
            rejoined()
        transport.disowned.clear()
        await asyncio.sleep(backoff.next())


async def _known(transport: Transport) -> bool:
    """Whether the server knows us, asked once more."""
    transport.disowned.clear()
    try:
        await transport.call("POST", "/agent/heartbeat")
    except (AwayError, RefusedError):
        return not transport.disowned.is_set()  # away is no answer: if it does not know us, the next call says so
    return True
