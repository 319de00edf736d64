"""Reads made with an API token: limited to 300 a minute, apart from the token's limits on runs."""

from typing import Annotated

from fastapi import Depends

from deplite.resources.limits import RateLimit
from deplite_apiserver.auth.callers import TokenCaller, UserCaller
from deplite_apiserver.auth.dependencies import PersonOrToken, Token
from deplite_apiserver.context import Context, Ctx
from deplite_apiserver.limits.limiter import refusal
from deplite_apiserver.limits.windows import Exceeded, quotas

READS = RateLimit(per_minute=300)


async def count_read(context: Context, caller: TokenCaller) -> None:
    """Count one read.

    Raises:
        RateLimitedError: the token has had its reads of this minute.
    """
    key = f"read:{caller.token.namespace}/{caller.token.name}"
    outcome = await context.limiter.reserve(quotas(key, "token_read", READS))
    if isinstance(outcome, Exceeded):
        raise refusal(outcome)


async def _reading_token(context: Ctx, caller: Token) -> TokenCaller:
    await count_read(context, caller)
    return caller


async def _reader(context: Ctx, caller: PersonOrToken) -> UserCaller | TokenCaller:
    if isinstance(caller, TokenCaller):
        await count_read(context, caller)
    return caller


ReadingToken = Annotated[TokenCaller, Depends(_reading_token)]
Reader = Annotated[UserCaller | TokenCaller, Depends(_reader)]
