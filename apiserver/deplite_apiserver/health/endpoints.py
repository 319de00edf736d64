"""/livez and /readyz, without credentials."""

from typing import Literal

from fastapi import APIRouter, Response

from deplite_apiserver.context import Ctx
from deplite_apiserver.edge.body import Shape

router = APIRouter(tags=["Health"])

MAX_SILENCE_SECONDS = 15.0
"""A replica that the API server has not answered for so long should get no requests."""


class HealthShape(Shape):
    """How it is."""

    status: Literal["ok", "starting", "cluster unreachable", "redis refuses us"]


@router.get("/livez")
async def live() -> HealthShape:
    """Say that this process serves."""
    return HealthShape(status="ok")


@router.get("/readyz", responses={503: {"model": HealthShape, "description": "It should get no requests."}})
async def ready(context: Ctx, response: Response) -> HealthShape:
    """Say whether the caches are filled, the API server is heard, and the shared Redis has not refused us."""
    if not context.caches.synced or not context.desk.runs.admits:
        response.status_code = 503
        return HealthShape(status="starting")
    if context.caches.failing or context.caches.silence > MAX_SILENCE_SECONDS:
        response.status_code = 503
        return HealthShape(status="cluster unreachable")
    if context.shared.refused:
        response.status_code = 503
        return HealthShape(status="redis refuses us")
    return HealthShape(status="ok")
