"""How an agent signs a request, and the bytes that the server verifies."""

import hashlib
import secrets
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deplite.protocol.keys import sign

AGENT_ID_HEADER = "X-Agent-Id"
TIMESTAMP_HEADER = "X-Timestamp"
NONCE_HEADER = "X-Nonce"
SIGNATURE_HEADER = "X-Signature"
INSTANCE_HEADER = "X-Deplite-Instance"
JOB_UID_HEADER = "X-Deplite-Job-Uid"
FINISHED_AGO_HEADER = "X-Deplite-Finished-Ago"
"""On a final result: how many seconds ago the job ended. No moment, for clocks differ."""

CLOCK_WINDOW_SECONDS = 300
"""How far a request's timestamp may be from the server's clock, either way."""


def signing_input(*, timestamp: int, nonce: str, method: str, path: str, body: bytes) -> bytes:
    """Return the bytes a request's signature covers.

    Args:
        timestamp: unix seconds.
        nonce: 32 lowercase hex characters.
        method: upper case.
        path: without the `/api` or `/v1` prefix and without a query.
        body: the raw body, `b""` where there is none.
    """
    return f"{timestamp}\n{nonce}\n{method}\n{path}\n{hashlib.sha256(body).hexdigest()}".encode()


@dataclass(frozen=True, kw_only=True)
class RequestSigner:
    """Signs requests as one agent."""

    agent_id: str
    key: Ed25519PrivateKey

    def headers(self, *, timestamp: int, method: str, path: str, body: bytes) -> dict[str, str]:
        """Return the four headers of a signed request, with a fresh nonce."""
        nonce = secrets.token_hex(16)
        message = signing_input(timestamp=timestamp, nonce=nonce, method=method, path=path, body=body)
        return {
            AGENT_ID_HEADER: self.agent_id,
            TIMESTAMP_HEADER: str(timestamp),
            NONCE_HEADER: nonce,
            SIGNATURE_HEADER: sign(self.key, message),
        }
