"""Minting codes, and spending one: the compare-and-swap on the code is the only door to an agent's identity."""

import hashlib
from datetime import timedelta
from typing import Any

from deplite.failpoints import failpoint
from deplite.kube.errors import AlreadyExistsError, NotFoundError
from deplite.kube.errors import ConflictError as StaleError
from deplite.resources import Agent, EnrollmentToken
from deplite.resources.agent import AgentSpec
from deplite.resources.agentpool import POOL_LABEL
from deplite.resources.credentials import Credential, mint
from deplite.resources.enrollmenttoken import EnrollmentTokenSpec, Use
from deplite.resources.identifiers import slug_name
from deplite.resources.resource import CREATED_BY_LABEL, Meta, utc
from deplite_apiserver.context import Context
from deplite_apiserver.enrollment.keys import check_declared, usable_key
from deplite_apiserver.enrollment.policy import Refuse, Repeat, judge
from deplite_apiserver.enrollment.schemas import CodeCreate, EnrollRequest
from deplite_apiserver.errors import InvalidEnrollTokenError, ValidationFailedError
from deplite_apiserver.lookup import agent_names

_TRIES = 10
_BY_API = {CREATED_BY_LABEL: "api"}


async def mint_code(context: Context, namespace: str, body: CodeCreate) -> tuple[EnrollmentToken, Credential]:
    """Create a code: first the object, then its hash."""
    context.room.for_object(namespace)
    agent = (await agent_names(context, namespace, [body.agent_id]))[0] if body.agent_id else None
    expires_at = context.clock.now() + timedelta(seconds=body.expires_in_seconds)
    spec = EnrollmentTokenSpec(label=body.label, agent=agent, uses=body.uses, expires_at=expires_at, minted_by="api")
    meta = Meta(name=slug_name(body.label or "enroll"), namespace=namespace, labels=_BY_API)
    made = await context.kube.create(EnrollmentToken(metadata=meta, spec=spec))
    credential = mint("enr")
    status = {"hash": credential.sha256, "prefix": credential.prefix, "expiresAt": utc(expires_at)}
    written = await context.kube.patch_status(EnrollmentToken, *made.key, status)
    context.caches.enrollments.note(written)
    return written, credential


async def enroll(context: Context, code: EnrollmentToken, body: EnrollRequest, *, source: str) -> Agent:
    """Spend a code and return the agent that the key now belongs to.

    Args:
        context: the collaborators.
        code: the code.
        body: what the machine says.
        source: its address, for the owners.

    Raises:
        InvalidEnrollTokenError: the code is spent or expired.
        ValidationFailedError: the key is no Ed25519 public key, or not the one that the agent is pinned to.
    """
    pem = usable_key(body.public_key)
    key_sha256 = hashlib.sha256(pem.encode()).hexdigest()
    name = await _spend(context, code, body, key_sha256, pem)
    agent = await _agent(context, code, name, body)
    check_declared(agent, pem)
    failpoint("apiserver.enroll.agent_made")
    status: dict[str, Any] = {
        "publicKey": pem,
        "enrolledAt": utc(context.clock.now()),
        "serverKeyId": context.server_keys.current_id,
        "hostname": body.hostname,
        "os": body.os,
        "agentVersion": body.agent_version,
    }
    if agent.status.public_key != pem:
        # Another machine takes over a declared agent: what the old one reported says nothing about it.
        status |= {"workflows": None, "workflowsTimestamp": None, "identityTimestamp": None}
    enrolled = await context.kube.patch_status(Agent, *agent.key, status)
    failpoint("apiserver.enroll.key_written")
    context.caches.agents.note(enrolled)
    replaces = agent.status.public_key not in (None, pem)
    context.notices.enrolled(enrolled, code, key_sha256=key_sha256, source=source, replaces=replaces)
    return enrolled


async def _spend(context: Context, code: EnrollmentToken, body: EnrollRequest, key_sha256: str, pem: str) -> str:
    """Note the use in the code by compare-and-swap; return the agent's object name."""
    for _ in range(_TRIES):
        verdict = judge(code, key_sha256, context.clock.now())
        if isinstance(verdict, Refuse):
            raise InvalidEnrollTokenError
        if isinstance(verdict, Repeat):
            return verdict.use.agent
        if code.spec.agent:
            await _check_pin(context, code, pem)
        else:
            context.room.for_object(code.namespace)
        use = Use(
            agent=code.spec.agent or slug_name(code.spec.label or body.name),
            public_key_sha256=key_sha256,
            at=context.clock.now(),
        )
        uses = [*code.status.used_by, use]
        try:
            written = await context.kube.patch_status(
                EnrollmentToken,
                *code.key,
                {"usedBy": [one.wire() for one in uses]},
                version=code.metadata.resource_version,
            )
        except StaleError:
            code = await _read_again(context, code)
            continue
        except NotFoundError:
            raise InvalidEnrollTokenError from None
        failpoint("apiserver.enroll.spent")
        context.caches.enrollments.note(written)
        return use.agent
    raise InvalidEnrollTokenError


async def _read_again(context: Context, code: EnrollmentToken) -> EnrollmentToken:
    try:
        return await context.kube.get(EnrollmentToken, *code.key)
    except NotFoundError:
        raise InvalidEnrollTokenError from None  # an owner has just revoked it


async def _check_pin(context: Context, code: EnrollmentToken, pem: str) -> None:
    """Refuse a wrong key, and an agent that no code is for, before it costs the code a use."""
    try:
        agent = await context.kube.get(Agent, code.namespace, str(code.spec.agent))
        check_declared(agent, pem)
        if POOL_LABEL in agent.metadata.labels:
            message = "This agent is one of a pool, whose pods enrol by themselves; declare another one."
            raise ValidationFailedError(message, code="agent_unavailable")
    except NotFoundError:
        message = "The agent that this code is for is not declared (yet); apply it first."
        raise ValidationFailedError(message, code="agent_unavailable") from None


async def _agent(context: Context, code: EnrollmentToken, name: str, body: EnrollRequest) -> Agent:
    if code.spec.agent:
        return await context.kube.get(Agent, code.namespace, name)
    spec = AgentSpec(display_name=body.name)
    try:
        return await context.kube.create(
            Agent(metadata=Meta(name=name, namespace=code.namespace, labels=_BY_API), spec=spec)
        )
    except AlreadyExistsError:
        return await context.kube.get(Agent, code.namespace, name)
