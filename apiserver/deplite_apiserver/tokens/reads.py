"""Reads made with an API token: limited to 300 a minute, apart from the token's limits on runs."""

from typing import Annotated

from fastapi import Depends

from deplite_apiserver.auth.callers import TokenCaller
from deplite_apiserver.auth.dependencies import Token
from deplite_apiserver.context import Ctx
from deplite_apiserver.jobs.callers import charge_read


async def _reading_token(context: Ctx, caller: Token) -> TokenCaller:
    await charge_read(context.limiter, caller)
    return caller


ReadingToken = Annotated[TokenCaller, Depends(_reading_token)]
