"""The dependencies that endpoints take to learn who calls; each asks the table of `auth.roles` first."""

from typing import Annotated

from fastapi import Depends, Request

from deplite.resources import Organization
from deplite.resources.credentials import describe, well_formed
from deplite_apiserver.audit.entry import entry_in
from deplite_apiserver.auth.callers import AgentCaller, EnrollmentCaller, PodCaller, Role, TokenCaller, UserCaller
from deplite_apiserver.auth.credentials import Bearer, bearer_of
from deplite_apiserver.auth.enrollment import verify_code
from deplite_apiserver.auth.failures import failures_counted
from deplite_apiserver.auth.roles import Kind, kinds_of, needed_role
from deplite_apiserver.auth.signature import verify_request
from deplite_apiserver.auth.token import verify_token
from deplite_apiserver.context import Context, Ctx
from deplite_apiserver.edge.body import RawBody
from deplite_apiserver.edge.query import check_query
from deplite_apiserver.edge.source import client_address
from deplite_apiserver.errors import ForbiddenError, NotFoundError, UnavailableError, WrongCredentialError
from deplite_apiserver.lookup import agent_by_id, trigger_by_id

_ELSEWHERE_SECONDS = 1
"""After so long an agent may try another replica."""


def _route(request: Request) -> tuple[str, str]:
    return request.method, request.scope["route"].path


async def _user(context: Context, bearer: Bearer, request: Request) -> UserCaller:
    async with failures_counted(context.limiter, client_address(request)):
        caller = await context.jwt.verify(bearer.text)
    entry_in(request.scope).by(caller)
    return caller


async def _token(context: Context, bearer: Bearer, request: Request) -> TokenCaller:
    address = client_address(request)
    async with failures_counted(context.limiter, address):
        caller = await verify_token(context.caches, bearer.text, address=address, now=context.clock.now())
    context.usage.note(caller.token)
    entry_in(request.scope).by(caller)
    return caller


def _allow(request: Request, *kinds: Kind) -> None:
    if not kinds_of(*_route(request)) & set(kinds):
        raise WrongCredentialError


async def person(request: Request, context: Ctx) -> UserCaller:
    """Return the person who calls, once the table allows it in the organization that the path names.

    Endpoints cannot forget that check, and it comes before any look at the body: a stranger learns nothing from 422.
    """
    bearer = bearer_of(request)
    if bearer.kind != "jwt":
        raise WrongCredentialError
    _allow(request, "member", "owner")
    caller = await _user(context, bearer, request)
    if (namespace := await _named_organization(request, context)) is not None:
        require_role(context, caller, namespace, needed_role(*_route(request)))
        entry_in(request.scope).within(namespace)
    check_query(request, *_route(request))
    return caller


async def _named_organization(request: Request, context: Context) -> str | None:
    match request.path_params:
        case {"org_id": namespace}:
            await context.caches.find(context.caches.organizations, lambda: context.caches.organization(namespace))
            return str(namespace)
        case {"trigger_id": trigger_id}:
            return (await trigger_by_id(context, trigger_id)).namespace
        case {"agent_id": agent_id}:
            return (await agent_by_id(context, agent_id)).namespace
    return None


async def api_token(request: Request, context: Ctx) -> TokenCaller:
    """Return the API token that calls."""
    bearer = bearer_of(request)
    if bearer.kind != "api_token":
        raise WrongCredentialError
    _allow(request, "token")
    caller = await _token(context, bearer, request)
    check_query(request, *_route(request))
    return caller


async def person_or_token(request: Request, context: Ctx) -> UserCaller | TokenCaller:
    """Return the person or the API token that calls."""
    bearer = bearer_of(request)
    if bearer.kind == "enrollment":
        raise WrongCredentialError
    if bearer.kind == "api_token":
        return await api_token(request, context)
    _allow(request, "member", "owner")
    caller = await _user(context, bearer, request)
    check_query(request, *_route(request))
    return caller


async def agent(request: Request, context: Ctx, body: RawBody) -> AgentCaller:
    """Return the agent that signed the request; its body is read whole first, because the signature covers it."""
    _allow(request, "agent")
    if context.desk.unheard:  # on a connection of its own the next try is led elsewhere
        raise UnavailableError(retry_after=_ELSEWHERE_SECONDS, headers={"Connection": "close"})
    caller = await verify_request(
        request,
        body,
        caches=context.caches,
        nonces=context.nonces,
        heard=lambda agent: context.desk.heard(agent.key),
        server_time=int(context.clock.now().timestamp()),
    )
    entry_in(request.scope).by(caller)
    return caller


async def enrolling(request: Request, context: Ctx) -> EnrollmentCaller | PodCaller:
    """Return the enrolment code that a machine shows, or the pod of a pool whose token is shown."""
    bearer = bearer_of(request)
    if bearer.kind == "api_token":
        raise WrongCredentialError
    _allow(request, "enrollment", "pod")
    entry, address = entry_in(request.scope), client_address(request)
    async with failures_counted(context.limiter, address):
        if bearer.kind == "jwt":
            entry.who = {"kind": "pod"}
            entry.by(caller := await context.pod_tokens.verify(bearer.text, address=address))
            return caller
        prefix = {"prefix": describe(bearer.text).prefix} if well_formed(bearer.text, "enr") else {}
        entry.who = {"kind": "code"} | prefix
        entry.by(code := await verify_code(context.caches, bearer.text))
        return code


def require_role(context: Context, caller: UserCaller, namespace: str, role: Role) -> Organization:
    """Return the organization if the caller has the role in it.

    Raises:
        NotFoundError: there is no such organization, or the caller is no member of it: both look alike.
        ForbiddenError: the caller is a member, but not an owner.
        UnavailableError: who belongs to it is not known yet.
    """
    organization = context.caches.organization(namespace)
    if organization is None and not context.caches.organizations.synced:
        raise UnavailableError(retry_after=1)
    members = organization.spec.members if organization else ()
    member = next((m for m in members if (m.issuer, m.subject) == (caller.issuer, caller.subject)), None)
    if organization is None or member is None:
        raise NotFoundError
    if role == "owner" and member.role != "owner":
        raise ForbiddenError
    return organization


Person = Annotated[UserCaller, Depends(person)]
Token = Annotated[TokenCaller, Depends(api_token)]
PersonOrToken = Annotated[UserCaller | TokenCaller, Depends(person_or_token)]
SigningAgent = Annotated[AgentCaller, Depends(agent)]
Enrolling = Annotated[EnrollmentCaller | PodCaller, Depends(enrolling)]
