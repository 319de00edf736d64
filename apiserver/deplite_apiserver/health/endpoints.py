"""/livez and /readyz, without credentials."""

from fastapi import APIRouter, Response

from deplite_apiserver.context import Ctx

router = APIRouter(tags=["Health"])

MAX_SILENCE_SECONDS = 30.0
"""A replica that has heard nothing from the API server for so long should get no requests."""


@router.get("/livez")
async def live() -> dict[str, str]:
    """Say that this process serves."""
    return {"status": "ok"}


@router.get("/readyz")
async def ready(context: Ctx, response: Response) -> dict[str, str]:
    """Say whether the caches are filled and the API server is heard."""
    if not context.caches.synced or not context.desk.runs.admits:
        response.status_code = 503
        return {"status": "starting"}
    if context.caches.silence > MAX_SILENCE_SECONDS:
        response.status_code = 503
        return {"status": "cluster unreachable"}
    return {"status": "ok"}
