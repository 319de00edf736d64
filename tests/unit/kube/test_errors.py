import pytest

from deplite.kube.client import _event
from deplite.kube.errors import (
    AlreadyExistsError,
    ConflictError,
    ForbiddenError,
    GoneError,
    InvalidError,
    KubeError,
    NotFoundError,
    UnavailableError,
    error_from,
)


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        (400, "BadRequest", InvalidError),
        (401, "Unauthorized", ForbiddenError),
        (403, "Forbidden", ForbiddenError),
        (404, "NotFound", NotFoundError),
        (404, "", NotFoundError),
        (409, "AlreadyExists", AlreadyExistsError),
        (409, "Conflict", ConflictError),
        (410, "Expired", GoneError),
        (422, "Invalid", InvalidError),
        (429, "TooManyRequests", UnavailableError),
        (500, "InternalError", UnavailableError),
        (504, "Timeout", UnavailableError),
    ],
)
def test_each_answer_is_one_error(status: int, reason: str, expected: type[KubeError]) -> None:
    error = error_from(status, {"reason": reason, "message": "why"})
    assert type(error) is expected
    assert (error.status, error.reason, str(error)) == (status, reason, "why")


@pytest.mark.parametrize(("header", "seconds"), [(None, 1), ("7", 7), ("0", 1), ("86400", 30), ("soon", 1)])
def test_retry_after_is_bounded(header: str | None, seconds: int) -> None:
    error = error_from(503, {}, header)
    assert isinstance(error, UnavailableError)
    assert error.retry_after == seconds


def test_error_event_of_a_watch_is_raised() -> None:
    with pytest.raises(GoneError):
        _event({"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}})
    with pytest.raises(UnavailableError):
        _event({"type": "ERROR", "object": {"code": 500}})


def test_ending_namespace_is_told_from_missing_rights() -> None:
    ends = error_from(403, {"message": "unable to create new content in namespace x because it is being terminated"})
    lacks = error_from(403, {"message": "secrets is forbidden"})
    assert isinstance(ends, ForbiddenError)
    assert isinstance(lacks, ForbiddenError)
    assert (ends.namespace_ends, lacks.namespace_ends) == (True, False)
    assert (ends.quota_exceeded, lacks.quota_exceeded) == (False, False)


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (403, 'daemonsets.apps is forbidden: User "u" cannot create resource "daemonsets" in API group "apps"', True),
        (401, "Unauthorized", True),
        (403, 'daemonsets.apps "x" is forbidden: exceeded quota: q, requested: count/daemonsets.apps=1', False),
        (403, 'daemonsets.apps "x" is forbidden: ValidatingAdmissionPolicy "p" denied request: no', False),
    ],
)
def test_a_missing_right_is_told_from_a_quota_and_a_policy(status: int, message: str, expected: bool) -> None:
    error = error_from(status, {"message": message})
    assert isinstance(error, ForbiddenError)
    assert error.lacks_right is expected
