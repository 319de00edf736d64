"""/openapi.json and /docs, without credentials: they say what the API is, and nothing of what is in it."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from deplite_apiserver.reference.page import PAGE_POLICY

router = APIRouter(tags=["Reference"])


@router.get("/openapi.json", response_model=None)
async def show_document(request: Request) -> Response:
    """Show the OpenAPI document."""
    return JSONResponse(request.app.state.reference)


@router.get("/docs", response_class=HTMLResponse, response_model=None)
async def show_page(request: Request) -> Response:
    """Show the document as a page that needs no script and no other server."""
    return HTMLResponse(request.app.state.reference_page, headers={"Content-Security-Policy": PAGE_POLICY})
