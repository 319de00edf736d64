"""Requests signed by agents: headers, clock, signature, only then the nonce, and then the agent as it is by now."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request

from deplite.protocol.errors import ProtocolError
from deplite.protocol.keys import load_public_key, verify
from deplite.protocol.request import (
    AGENT_ID_HEADER,
    CLOCK_WINDOW_SECONDS,
    INSTANCE_HEADER,
    NONCE_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    signing_input,
)
from deplite.resources import Agent
from deplite_apiserver.auth.callers import AgentCaller
from deplite_apiserver.auth.nonces import Nonces
from deplite_apiserver.caches import Caches
from deplite_apiserver.errors import AgentAuthError, UnavailableError, ValidationFailedError

_NONCE = re.compile(r"[0-9a-f]{32}")
_INSTANCE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HEADERS = (AGENT_ID_HEADER, TIMESTAMP_HEADER, NONCE_HEADER, SIGNATURE_HEADER)


@dataclass(frozen=True, kw_only=True)
class SignedHeaders:
    """The four headers, each there exactly once and of the right shape."""

    agent_id: str
    timestamp: int
    nonce: str
    signature: str


def signed_headers(request: Request) -> SignedHeaders:
    """Return the signature headers of a request.

    Raises:
        AgentAuthError: one is missing, doubled or misshapen, or the URL has a query (which nobody signs).
    """
    values = {name: request.headers.getlist(name) for name in _HEADERS}
    if any(len(found) != 1 or "," in found[0] for found in values.values()):
        raise _wrong_headers()
    agent_id, timestamp, nonce, signature = (values[name][0] for name in _HEADERS)
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):
        raise _wrong_headers()
    if not _NONCE.fullmatch(nonce):
        raise AgentAuthError("X-Nonce must be 32 lowercase hex characters.", code="invalid_nonce")
    if request.scope["query_string"]:
        raise AgentAuthError("A signed request has no query.", code="bad_signature")
    return SignedHeaders(agent_id=agent_id, timestamp=int(timestamp), nonce=nonce, signature=signature)


async def verify_request(
    request: Request,
    body: bytes,
    *,
    caches: Caches,
    nonces: Nonces,
    heard: Callable[[Agent], None],
    server_time: int,
) -> AgentCaller:
    """Return the agent that signed a request.

    Args:
        request: the request; its path has lost the prefix.
        body: the raw body.
        caches: where agents are found.
        nonces: the nonces that are spent.
        heard: is told whose signature held, also where the call has to be made again.
        server_time: unix seconds.

    Raises:
        AgentAuthError: with the code of what is wrong.
        UnavailableError: it is not known whether the nonce is spent, or who the agent is.
    """
    headers = signed_headers(request)
    if abs(headers.timestamp - server_time) > CLOCK_WINDOW_SECONDS:
        message = "The request's timestamp is more than 300 seconds off; set the clock."
        raise AgentAuthError(message, code="stale_timestamp", extra={"serverTime": server_time})
    agent = await _find(caches, headers.agent_id)
    signed = signing_input(
        timestamp=headers.timestamp,
        nonce=headers.nonce,
        method=request.method,
        path=request.scope["path"],
        body=body,
    )
    _check_signature(agent, signed, headers.signature)
    try:
        first = await nonces.spend(headers.agent_id, headers.nonce, headers.timestamp)
    except UnavailableError:
        heard(agent)
        raise
    if not first:
        raise AgentAuthError("This nonce was used before.", code="nonce_replayed")
    agent = _as_it_is_now(caches, agent)
    heard(agent)
    return AgentCaller(agent=agent, instance=_instance(request), timestamp=headers.timestamp, nonce=headers.nonce)


def _as_it_is_now(caches: Caches, signed: Agent) -> Agent:
    """Return the agent whose signature held: asking about its nonce took a while, and it may have been revoked."""
    agent = caches.agents.get(*signed.key)
    if agent is None:
        raise _unknown_agent()
    if agent.metadata.uid != signed.metadata.uid or agent.status.public_key != signed.status.public_key:
        raise AgentAuthError(code="bad_signature")
    if agent.spec.revoked:
        raise AgentAuthError("This agent was revoked; enrol it again.", code="agent_revoked")
    return agent


def _check_signature(agent: Agent, message: bytes, signature: str) -> None:
    try:
        verify(load_public_key(agent.status.public_key or ""), message, signature)
    except ProtocolError:
        raise AgentAuthError(code="bad_signature") from None


async def _find(caches: Caches, agent_id: str) -> Agent:
    def look() -> Agent | None:
        return next((agent for agent in caches.agents.by("id", agent_id) if agent.status.public_key), None)

    agent = await caches.find(caches.agents, look)
    if agent is None:
        raise _unknown_agent()
    return agent


def _instance(request: Request) -> str | None:
    values = request.headers.getlist(INSTANCE_HEADER)
    if not values:
        return None
    if len(values) != 1 or not _INSTANCE.fullmatch(values[0]):
        raise ValidationFailedError(f"{INSTANCE_HEADER} must be 1 to 64 letters, digits, dots, dashes or underscores.")
    return values[0]


def _unknown_agent() -> AgentAuthError:
    return AgentAuthError("No agent of this id is enrolled.", code="unknown_agent")


def _wrong_headers() -> AgentAuthError:
    message = "Send X-Agent-Id, X-Timestamp (unix seconds), X-Nonce and X-Signature, each once."
    return AgentAuthError(message, code="bad_signature_headers")
