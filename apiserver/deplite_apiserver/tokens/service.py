"""Issuing, rotating and revoking API tokens. The plain token is in one answer, once, and nowhere else."""

from datetime import timedelta
from typing import Any

from deplite.failpoints import failpoint
from deplite.kube.errors import ConflictError as StaleError
from deplite.resources import ApiToken
from deplite.resources.apitoken import ApiTokenSpec, Grant, TokenHash
from deplite.resources.credentials import Credential, mint
from deplite.resources.identifiers import slug_name
from deplite.resources.limits import RateLimit
from deplite.resources.resource import CREATED_BY_LABEL, Meta
from deplite_apiserver.context import Context
from deplite_apiserver.errors import ConflictError, PreconditionFailedError, ValidationFailedError
from deplite_apiserver.lookup import agent_names, trigger_names
from deplite_apiserver.tokens.schemas import AgentScope, StorageScope, TokenCreate, TriggerScope

_TRIES = 5


async def issue(context: Context, namespace: str, body: TokenCreate) -> tuple[ApiToken, Credential]:
    """Create a token and mint its credential: first the object, then the hash. Half-made ones are swept away later."""
    if body.expires_at is not None and body.expires_at <= context.clock.now():
        raise ValidationFailedError("expiresAt: is in the past.")
    context.room.for_object(namespace)
    spec = ApiTokenSpec(
        display_name=body.name,
        grants=tuple([await _grant(context, namespace, scope) for scope in body.all_scopes()]),
        rate_limit=RateLimit(
            per_minute=body.rate_limit_per_minute,
            per_hour=body.rate_limit_per_hour,
            per_day=body.rate_limit_per_day,
        ),
        expires_at=body.expires_at,
        allowedCIDRs=body.allowed_cidrs,
        minted_by="api",
    )
    meta = Meta(name=slug_name(body.name), namespace=namespace, labels={CREATED_BY_LABEL: "api"})
    made = await context.kube.create(ApiToken(metadata=meta, spec=spec))
    failpoint("apiserver.token.made")
    credential = mint("tk")
    # Nobody else writes the hashes of a token that was made here; only the conditions beside them may have changed.
    return await _write_hashes(context, made, [_hash(credential)], compare=False), credential


async def rotate(context: Context, token: ApiToken, overlap_seconds: int) -> tuple[ApiToken, Credential]:
    """Mint a token anew.

    Raises:
        ConflictError: `managed_in_git`: the operator rotates a token that is declared there.
    """
    if token.spec.minted_by != "api":  # a label anybody may set
        message = "This token is managed in Git: raise its spec.rotation there."
        raise ConflictError(message, code="managed_in_git")
    credential = mint("tk")
    for _ in range(_TRIES):
        now = context.clock.now()
        kept = [
            known.model_copy(update={"not_after": min(known.not_after or now + overlap, now + overlap)})
            for overlap in [timedelta(seconds=overlap_seconds)]
            for known in token.status.hashes[-1:]
            if overlap_seconds
        ]
        try:
            return await _write_hashes(context, token, [*kept, _hash(credential)]), credential
        except StaleError:
            token = await context.kube.get(ApiToken, *token.key)
    raise PreconditionFailedError


async def revoke(context: Context, token: ApiToken) -> None:
    """Delete a token: it is refused from now on."""
    await context.kube.delete(ApiToken, *token.key, uid=token.metadata.uid)
    context.caches.tokens.forget(*token.key, token.metadata.uid)


async def _grant(context: Context, namespace: str, scope: AgentScope | TriggerScope | StorageScope) -> Grant:
    match scope:
        case AgentScope():
            return Grant(type="agent", agents=await agent_names(context, namespace, dict.fromkeys(scope.agent_ids)))
        case TriggerScope():
            names = await trigger_names(context, namespace, dict.fromkeys(scope.trigger_ids))
            return Grant(type="trigger", triggers=names)
        case StorageScope():
            return Grant(
                type="storage", bindings=scope.binding_ids, permissions=tuple(dict.fromkeys(scope.permissions))
            )


def _hash(credential: Credential) -> TokenHash:
    return TokenHash(sha256=credential.sha256, prefix=credential.prefix)


async def _write_hashes(
    context: Context, token: ApiToken, hashes: list[TokenHash], *, compare: bool = True
) -> ApiToken:
    body: dict[str, Any] = {"hashes": [known.wire() for known in hashes]}
    version = token.metadata.resource_version if compare else None
    written = await context.kube.patch_status(ApiToken, *token.key, body, version=version)
    context.caches.tokens.note(written)
    return written
