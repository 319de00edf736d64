"""`GET /agent/stream`."""

from fastapi import APIRouter

from deplite_apiserver.auth.dependencies import SigningAgent
from deplite_apiserver.context import Ctx
from deplite_apiserver.stream.events import AgentStreamResponse

router = APIRouter(tags=["Agent"])


@router.get("/agent/stream", status_code=200, response_class=AgentStreamResponse, response_model=None)
async def stream(context: Ctx, caller: SigningAgent) -> AgentStreamResponse:
    """Send the agent its jobs as server-sent events, from now until the connection ends."""
    streams = context.desk.streams
    return AgentStreamResponse(streams, lambda: streams.open(caller.agent.key, caller.id, caller.instance))
