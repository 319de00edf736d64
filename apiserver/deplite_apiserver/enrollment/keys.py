"""Which public key an agent may enrol with. Pure."""

from deplite.protocol.errors import InvalidKeyError
from deplite.protocol.keys import load_public_key, public_pem
from deplite.resources import Agent
from deplite_apiserver.errors import ValidationFailedError


def usable_key(pem: str) -> str:
    """Return a key in the one spelling that is stored.

    Raises:
        ValidationFailedError: it is no Ed25519 public key, or a weak one.
    """
    try:
        return public_pem(load_public_key(pem))
    except InvalidKeyError as error:
        raise ValidationFailedError(str(error), code=error.code) from None


def check_declared(agent: Agent, pem: str) -> None:
    """See what the agent's spec says of who may be it.

    Raises:
        ValidationFailedError: it was revoked, or is pinned to another key.
    """
    if agent.spec.revoked:
        raise ValidationFailedError(
            "This agent was revoked; delete its Agent object, or declare another one.", code="agent_unavailable"
        )
    if agent.spec.public_key is None:
        return
    try:
        pinned = public_pem(load_public_key(agent.spec.public_key))
    except InvalidKeyError:
        pinned = ""
    if pinned != pem:
        message = "This agent is pinned to another key; enrol with that one, or change spec.publicKey."
        raise ValidationFailedError(message, code="invalid_public_key")
