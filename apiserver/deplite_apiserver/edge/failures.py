"""Turns everything that can go wrong into the documented shape: `{statusCode, code, message, retryAfter?}`.

The one table from errors to HTTP statuses. Nothing of ours inside (object names, the API server's words, a stack trace)
ever reaches a caller.
"""

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import Scope

from deplite.kube import errors as kube_errors
from deplite_apiserver import errors
from deplite_apiserver.audit.entry import entry_in
from deplite_apiserver.auth.roles import methods_of

log = logging.getLogger(__name__)

STATUS: Mapping[type[errors.ApiError], int] = {
    errors.InvalidStateError: 400,
    errors.UnauthorizedError: 401,
    errors.InvalidTokenError: 401,
    errors.WrongCredentialError: 401,
    errors.InvalidEnrollTokenError: 401,
    errors.AgentAuthError: 401,
    errors.SlackSignatureError: 401,
    errors.ForbiddenError: 403,
    errors.TokenScopeError: 403,
    errors.RefusedError: 403,
    errors.NotFoundError: 404,
    errors.SlowRequestError: 408,
    errors.ConflictError: 409,
    errors.PodReplacedError: 409,
    errors.GoneError: 410,
    errors.PreconditionFailedError: 412,
    errors.TooLargeError: 413,
    errors.UnsupportedEncodingError: 415,
    errors.ValidationFailedError: 422,
    errors.RateLimitedError: 429,
    errors.QuotaExceededError: 429,
    errors.UnavailableError: 503,
}

_KUBE: Mapping[type[kube_errors.KubeError], tuple[int, str, str]] = {
    kube_errors.NotFoundError: (404, "not_found", errors.NotFoundError.default),
    kube_errors.ConflictError: (409, "conflict", "Somebody else changed this at the same moment; try again."),
    kube_errors.InvalidError: (422, "validation_error", "The cluster's own rules refuse these values."),
}
"""What the API server's refusals mean to a caller; all others mean that it cannot be used for the moment."""

_QUOTA = "The organization has as many of these as its ResourceQuota allows; delete some, or have it raised."
_QUOTA_MEMBERS = {"error": "quota_exceeded", "scope": "organization"}

_PLAIN = {
    400: ("bad_request", "The request is malformed."),
    404: ("not_found", "There is no such thing here."),
    405: ("method_not_allowed", "This path does not take that method."),
}


def answer(
    status: int,
    code: str,
    message: str,
    *,
    retry_after: int | None = None,
    extra: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return an error in the documented shape; `Retry-After` always equals `retryAfter`."""
    body: dict[str, Any] = {"statusCode": status, "code": code, "message": message} | dict(extra or {})
    out = dict(headers or {})
    if retry_after is not None:
        body["retryAfter"] = retry_after
        out["Retry-After"] = str(retry_after)
    return JSONResponse(body, status_code=status, headers=out)


def install_failures(app: FastAPI) -> None:
    """Make the app answer every error in the documented shape."""
    app.add_exception_handler(errors.ApiError, _refused)
    app.add_exception_handler(kube_errors.KubeError, _kube)
    app.add_exception_handler(HTTPException, _plain)
    app.add_exception_handler(RequestValidationError, _parameters)


def answer_to(request: Request, error: errors.ApiError | kube_errors.KubeError) -> JSONResponse:
    """Return the answer to an error, for an endpoint that shows it in another form."""
    return _refused(request, error) if isinstance(error, errors.ApiError) else _kube(request, error)


def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, errors.ApiError)
    status = next(found for kind in type(error).__mro__ if (found := STATUS.get(kind)))
    return noted(
        request.scope,
        status,
        error.code,
        error.message,
        retry_after=error.retry_after,
        extra=error.extra,
        headers=error.headers,
    )


def _kube(request: Request, error: Exception) -> JSONResponse:
    log.warning("the Kubernetes API: %s", error, extra={"action": "kube_error"})
    if isinstance(error, kube_errors.ForbiddenError) and error.quota_exceeded:
        return _refused(request, errors.QuotaExceededError(_QUOTA, retry_after=30, extra=_QUOTA_MEMBERS))
    known = next((found for kind in type(error).__mro__ if (found := _KUBE.get(kind))), None)
    if known is not None:
        return noted(request.scope, *known)
    retry_after = error.retry_after if isinstance(error, kube_errors.UnavailableError) else 1
    message = "The cluster does not answer for the moment; try again."
    return noted(request.scope, 503, "unavailable", message, retry_after=retry_after)


def _plain(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code, message = _PLAIN.get(error.status_code, ("error", "The request was refused."))
    headers = dict(error.headers or {})
    if error.status_code == 405:
        # The framework names the methods of the first route of this path only.
        headers["Allow"] = ", ".join(methods_of(request.scope["path"]))
    return noted(request.scope, error.status_code, code, message, headers=headers)


def _parameters(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return noted(request.scope, 422, "validation_error", f"{first['loc'][-1]}: {first['msg']}.")


def noted(scope: Scope, status: int, code: str, message: str, **more: Any) -> JSONResponse:
    """Return the answer; the audit record of the request and the metrics say its code, too."""
    entry_in(scope).code = code
    return answer(status, code, message, **more)


def unexpected(scope: Scope) -> JSONResponse:
    """Return the answer to what nobody foresaw."""
    message = "Something went wrong here; it has been logged under the request's id."
    return noted(scope, 500, "internal_error", message)
