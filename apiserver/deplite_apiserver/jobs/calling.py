"""A run that somebody asks for, with the facts that it is decided on: the same over REST and in Slack."""

from collections.abc import Callable

from deplite.resources.agent import Agent
from deplite.resources.apitoken import ApiToken
from deplite.resources.deployjob import Requester
from deplite.resources.notify import Notify
from deplite.resources.trigger import Trigger
from deplite_apiserver.auth.callers import TokenCaller, UserCaller
from deplite_apiserver.auth.token import still_good
from deplite_apiserver.context import Context
from deplite_apiserver.errors import InvalidTokenError, NotFoundError
from deplite_apiserver.jobs.accept import Facts
from deplite_apiserver.jobs.callers import requester_of
from deplite_apiserver.jobs.run import Asked, Call


async def call_of(
    context: Context,
    caller: UserCaller | TokenCaller,
    trigger: Trigger,
    read: Callable[[], Asked],
    *,
    requester: Requester | None = None,
    notify: Notify | None = None,
) -> Call:
    """Return the call.

    Args:
        context: the collaborators.
        caller: who asks; a person is a member of the trigger's organization.
        trigger: what is to run.
        read: reads the request, once the caller is known to be allowed.
        requester: who the job says asked for it; None: the caller.
        notify: where people are told of this run; None: as the trigger says.

    Raises:
        UnavailableError: the trigger's agent is not known yet.
        NotFoundError: the trigger was deleted a moment ago.
        InvalidTokenError: so was the token, or it was rotated away.
        KubeError: what is cached of token, trigger or agent may be old, and the API server does not tell.
    """
    caches = context.caches
    token = await _token(context, caller) if isinstance(caller, TokenCaller) else None
    now = await caches.current(caches.triggers, trigger)
    if now is None:
        raise NotFoundError
    agent = await caches.find(caches.agents, lambda: caches.agents.get(now.namespace, now.spec.agent))
    facts = Facts(
        trigger=now,
        agent=agent and await caches.current(caches.agents, agent),
        requester=requester or requester_of(caller),
        grants=token.spec.grants if token else None,
        manual=token is None,
        asked_at=context.clock.now(),
        notify=notify,
    )

    async def look_again() -> Agent | None:
        await caches.settle(caches.agents)
        return caches.agents.get(now.namespace, now.spec.agent)

    return Call(facts=facts, token=token, read=read, look_again=look_again)


async def _token(context: Context, caller: TokenCaller) -> ApiToken:
    await context.caches.current(context.caches.tokens, caller.token)
    token = still_good(context.caches, caller, context.clock.now())
    if token is None:
        raise InvalidTokenError
    return token
