"""The first start: a key made here becomes an agent there."""

import asyncio
import logging
import platform
import socket

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deplite.protocol.backoff import Backoff
from deplite.protocol.errors import InvalidKeyError
from deplite.protocol.keys import load_public_key, public_pem
from deplite_agent import VERSION
from deplite_agent.errors import AwayError, EnrollmentError, RefusedError, RevokedError
from deplite_agent.identity import Enrolled
from deplite_agent.transport import Transport

log = logging.getLogger(__name__)


def machine() -> dict[str, str]:
    """Return what the agent tells of its machine."""
    return {
        "hostname": socket.gethostname()[:253],
        "os": f"{platform.system()} {platform.release()} {platform.machine()}"[:128],
        "agentVersion": VERSION,
    }


async def enroll(transport: Transport, code: str, name: str, key: Ed25519PrivateKey) -> Enrolled:
    """Spend the code; while the server is away, go on trying (the same key gets the same agent).

    Raises:
        EnrollmentError: the server refuses, or answers nonsense.
    """
    backoff = Backoff(first=0.5, most=30.0)
    body = {"name": name[:128], "publicKey": public_pem(key.public_key()), **machine()}
    while True:
        try:
            answer = await transport.enroll(code, body)
            return _read(answer)
        except AwayError as error:
            wait = max(backoff.next(), error.retry_after)
            log.warning("%s Trying again in %.0f s.", error, wait, extra={"action": "enroll_waits"})
            await asyncio.sleep(wait)
        except (RefusedError, RevokedError) as error:
            message = f"The server refuses the enrolment ({error}). Ask an owner for a new code in DEPLITE_TOKEN."
            raise EnrollmentError(message) from error


def _read(answer: dict[str, object]) -> Enrolled:
    match answer:
        case {"agentId": str(agent_id), "organizationId": str(organization_id), "serverPublicKey": str(pem)}:
            try:
                load_public_key(pem)
            except InvalidKeyError:
                pass
            else:
                return Enrolled(agent_id=agent_id, organization_id=organization_id, server_public_key=pem)
    raise EnrollmentError("The answer to the enrolment is not what the protocol says; is DEPLITE_URL right?")
