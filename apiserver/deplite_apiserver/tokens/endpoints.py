"""/orgs/:orgId/api-tokens, and what a token may ask about itself."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from deplite.resources.identifiers import object_id
from deplite_apiserver.audit.entry import Audited
from deplite_apiserver.auth.dependencies import Person
from deplite_apiserver.context import Ctx
from deplite_apiserver.edge.body import json_body
from deplite_apiserver.edge.pages import DEFAULT_LIMIT, Cursor, Limit, page
from deplite_apiserver.lookup import token_by_id
from deplite_apiserver.ownership import Force, refuse_managed_in_git
from deplite_apiserver.tokens import service
from deplite_apiserver.tokens.reads import ReadingToken
from deplite_apiserver.tokens.schemas import (
    Limits,
    MintedTokenShape,
    TokenCreate,
    TokenRotate,
    TokenSelfShape,
    TokenShape,
    fields_of,
    scopes_of,
)

router = APIRouter(tags=["API Token"])


@router.get("/orgs/{org_id}/api-tokens")
async def list_tokens(
    org_id: str,
    context: Ctx,
    caller: Person,
    request: Request,
    response: Response,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> list[TokenShape]:
    """List the organization's API tokens, newest first."""
    found = context.caches.tokens.by("namespace", org_id)
    return [
        TokenShape(**fields_of(token, context.clock.now()))
        for token in page(found, request, response, limit=limit, cursor=cursor)
    ]


@router.post("/orgs/{org_id}/api-tokens", status_code=201)
async def issue_token(
    org_id: str,
    context: Ctx,
    caller: Person,
    audited: Audited,
    body: Annotated[TokenCreate, Depends(json_body(TokenCreate))],
) -> MintedTokenShape:
    """Issue an API token; `plainToken` is shown this once."""
    token, credential = await service.issue(context, org_id, body)
    audited.made(object_id("tok", *token.key))
    return MintedTokenShape(**fields_of(token, context.clock.now()), plain_token=credential.plain)


@router.post("/orgs/{org_id}/api-tokens/{token_id}/rotate")
async def rotate_token(
    org_id: str,
    token_id: str,
    context: Ctx,
    caller: Person,
    body: Annotated[TokenRotate, Depends(json_body(TokenRotate))],
) -> MintedTokenShape:
    """Mint an API token anew; the old one dies at once, or after the overlap."""
    token = await token_by_id(context, org_id, token_id)
    token, credential = await service.rotate(context, token, body.overlap_seconds)
    return MintedTokenShape(**fields_of(token, context.clock.now()), plain_token=credential.plain)


@router.delete("/orgs/{org_id}/api-tokens/{token_id}", status_code=204)
async def revoke_token(org_id: str, token_id: str, context: Ctx, caller: Person, force: Force = False) -> None:
    """Revoke an API token."""
    token = await token_by_id(context, org_id, token_id)
    refuse_managed_in_git(token, force=force)
    await service.revoke(context, token)


@router.get("/token")
async def show_self(caller: ReadingToken) -> TokenSelfShape:
    """Show the calling token's own grants and limits."""
    token = caller.token
    limit = token.spec.rate_limit
    return TokenSelfShape(
        organization_id=token.namespace,
        name=token.spec.display_name or token.name,
        scopes=scopes_of(token.namespace, token.spec.grants),
        rate_limit=Limits(per_minute=limit.per_minute, per_hour=limit.per_hour, per_day=limit.per_day),
        expires_at=token.spec.expires_at,
    )
