"""A key made here becomes an agent there: at the first start, and where the server does not know it any more."""

import asyncio
import logging
import platform
import socket

from deplite.failpoints import failpoint
from deplite.protocol.backoff import Backoff
from deplite.protocol.errors import InvalidKeyError
from deplite.protocol.keys import load_public_key, public_pem
from deplite_agent import VERSION
from deplite_agent.credential import Credential
from deplite_agent.errors import AwayError, EnrollmentError, RefusedError, ReplacedError
from deplite_agent.identity import Enrolled, StateFolder
from deplite_agent.transport import Transport

log = logging.getLogger(__name__)

RENEWED_TRIES = 6
"""Of a credential that is renewed, within some fifteen seconds: what makes it good may be under way."""


def machine() -> dict[str, str]:
    """Return what the agent tells of its machine."""
    return {
        "hostname": socket.gethostname()[:253],
        "os": f"{platform.system()} {platform.release()} {platform.machine()}"[:128],
        "agentVersion": VERSION,
    }


async def enroll(transport: Transport, credential: Credential, name: str, state: StateFolder) -> Enrolled:
    """Enrol, and keep what the server said; while it is away, go on trying (the same key gets the same agent).

    A credential that is renewed may be good a moment later, so one that is refused is tried some times.
    A code is spent once, whatever uses it has: a person takes back who was deleted or revoked, and not the machine.

    Raises:
        EnrollmentError: the server refuses, or answers nonsense; or there is no credential, or a spent one.
        ReplacedError: another pod of the pool is this agent now.
        StateError: the state folder cannot be used; an answer that cannot be kept comes again for ten minutes.
    """
    away, refused = Backoff(first=0.5, most=30.0), Backoff(first=0.5, most=30.0)
    tries = RENEWED_TRIES if credential.renewed else 1
    body = {"name": name[:128], "publicKey": public_pem(state.key().public_key()), **machine()}
    while True:
        shown = credential.read()
        if state.spent(shown):
            said = f"This machine has enrolled with the code of {credential.variable} before, and no code is used twice"
            raise EnrollmentError(f"{said}; if it is to come back, ask an owner for a new one.")
        try:
            enrolled = _read(await transport.enroll(shown, body))
        except AwayError as error:
            await _pause(error, max(away.next(), error.retry_after))
        except RefusedError as error:
            tries -= 1
            if error.status != 401 or not tries:
                raise _refusal(error, credential) from error
            await _pause(error, refused.next())
        else:
            failpoint("agent.enroll.answered")
            state.save(enrolled)
            failpoint("agent.enroll.saved")
            state.spend(shown)  # not before: until the answer is kept, the same code has to give it once more
            return enrolled


async def _pause(error: Exception, seconds: float) -> None:
    log.warning("%s Trying again in %.0f s.", error, seconds, extra={"action": "enroll_waits"})
    await asyncio.sleep(seconds)


def _refusal(error: RefusedError, credential: Credential) -> EnrollmentError | ReplacedError:
    """Return what a refusal means, with what to do next."""
    said = f"The server refuses the enrolment ({error})."
    if error.code == "pod_replaced":
        return ReplacedError(f"{said} Another pod of this pool runs on this node; this one ends.")
    if error.status != 401:
        return EnrollmentError(said)
    if credential.renewed:
        return EnrollmentError(f"{said} It was shown what {credential.file} holds; see to that file, or ask an owner.")
    return EnrollmentError(f"{said} Ask an owner for a new code in DEPLITE_TOKEN.")


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
