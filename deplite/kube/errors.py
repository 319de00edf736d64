"""Why the Kubernetes API did not do what was asked.

    KubeError
    ├── NotFoundError          404
    ├── AlreadyExistsError     409, an object of that name is there (perhaps still being deleted)
    ├── ConflictError          409, the version compared with is stale
    ├── InvalidError           400, 422: the schema, a rule or admission refused
    ├── ForbiddenError         401, 403: rights, a ResourceQuota, or a namespace that is going away
    ├── GoneError              410: the version asked for is no longer kept
    └── UnavailableError       no connection, a time-out, 429 or 5xx; `retry_after` seconds
        └── NotHeldError       not sent, or not once more: the Lease under which it was to be written is over

The API server's own text stays in the exception, for logs; it is never shown to a caller of the REST API.
"""

from collections.abc import Mapping
from typing import Any

from deplite.errors import DepliteError

MAX_RETRY_AFTER = 30


class KubeError(DepliteError):
    """Base of this tree.

    Attributes:
        status: the HTTP status, 0 where no answer came.
        reason: the `reason` of the API server's Status, e.g. `NotFound`.
    """

    def __init__(self, message: str, *, status: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class NotFoundError(KubeError):
    """There is no such object."""


class AlreadyExistsError(KubeError):
    """An object of that name exists."""


class ConflictError(KubeError):
    """The object changed since the version that was compared with: read again, decide again."""


class InvalidError(KubeError):
    """The object breaks its schema or a rule."""


class ForbiddenError(KubeError):
    """This identity may not do that, a quota is exhausted, or the namespace is being deleted."""

    @property
    def namespace_ends(self) -> bool:
        """Whether the only obstacle is that the namespace is being deleted: nothing new can be made in it."""
        return "because it is being terminated" in str(self)

    @property
    def lacks_right(self) -> bool:
        """Whether no role grants it, rather than that a policy or a quota forbids it."""
        return self.status == 401 or (self.status == 403 and '" cannot ' in str(self))

    @property
    def quota_exceeded(self) -> bool:
        """Whether a ResourceQuota of the namespace has no room for it."""
        return "exceeded quota: " in str(self)


class GoneError(KubeError):
    """The resourceVersion is too old: list again."""


class UnavailableError(KubeError):
    """The API server did not answer, or asked to be left alone.

    Attributes:
        retry_after: whole seconds after which to try again.
    """

    def __init__(self, message: str, *, status: int = 0, reason: str = "", retry_after: int = 1) -> None:
        super().__init__(message, status=status, reason=reason)
        self.retry_after = retry_after


class NotHeldError(UnavailableError):
    """Not sent, or not once more: the Lease under which it was to be written is over. Whoever holds it now goes on."""

    def __init__(self) -> None:
        super().__init__("The lease is no longer held here; nothing more is written.", status=503, reason="NotHeld")


_BY_REASON: Mapping[str, type[KubeError]] = {
    "AlreadyExists": AlreadyExistsError,
    "Conflict": ConflictError,
    "Expired": GoneError,
    "Gone": GoneError,
    "NotFound": NotFoundError,
}
_BY_STATUS: Mapping[int, type[KubeError]] = {
    400: InvalidError,
    401: ForbiddenError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
    415: InvalidError,
    422: InvalidError,
}


def error_from(status: int, body: Mapping[str, Any], retry_after: str | None = None) -> KubeError:
    """Return the error that an answer means.

    Args:
        status: HTTP status, or the `code` of an ERROR event of a watch.
        body: the API server's Status object, empty where it sent none.
        retry_after: the `Retry-After` header.
    """
    reason, message = str(body.get("reason", "")), str(body.get("message", "")) or f"HTTP {status}"
    found = _BY_REASON.get(reason) or _BY_STATUS.get(status)
    if found is None:
        seconds = int(retry_after) if retry_after and retry_after.isdecimal() else 1
        bounded = min(max(seconds, 1), MAX_RETRY_AFTER)
        return UnavailableError(message, status=status, reason=reason, retry_after=bounded)
    return found(message, status=status, reason=reason)
