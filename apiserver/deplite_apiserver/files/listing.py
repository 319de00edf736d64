"""The files of an organization, newest first, page by page."""

from collections.abc import Callable
from typing import Any

from fastapi import Request, Response

from deplite_apiserver.context import Context
from deplite_apiserver.edge.pages import cut, link_next
from deplite_apiserver.files.lookup import is_there
from deplite_apiserver.files.schemas import FileQuery, FileShape, TokenFileQuery, shape_of
from deplite_apiserver.files.view import FileView


def page_of(
    context: Context,
    namespace: str,
    wanted: FileQuery | TokenFileQuery,
    sees: Callable[[FileView], bool],
    request: Request,
    response: Response,
) -> list[FileShape]:
    """Return one page of the files that a caller sees, and name the next one in the answer's `Link` header."""
    now = context.clock.now()
    found = [
        file
        for file in context.caches.files.by("namespace", namespace)
        if _covered(wanted, file) and is_there(file, now) and sees(file)
    ]
    shown, following = cut(found, lambda file: file.order, limit=wanted.limit, cursor=wanted.cursor)
    if following is not None:
        query: dict[str, Any] = dict(wanted.filters()) | {"limit": wanted.limit, "cursor": following}
        link_next(request, response, query)
    return [shape_of(file) for file in shown]


def _covered(wanted: FileQuery | TokenFileQuery, file: FileView) -> bool:
    job = wanted.job_id if isinstance(wanted, FileQuery) else None
    return (
        (wanted.status is None or (wanted.status == "stored") == file.stored)
        and (wanted.binding_id is None or wanted.binding_id == file.binding)
        and (job is None or job == file.job)
    )
