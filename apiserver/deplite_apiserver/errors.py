"""Why a request is refused: one leaf a code, no HTTP status (that table is `edge.failures`).

ApiError
├── UnauthorizedError          unauthorized            no usable Authorization header
├── InvalidTokenError          invalid_token           unknown, expired or revoked credential, all alike
├── WrongCredentialError       wrong_credential        a good kind of credential at the wrong door
├── InvalidEnrollTokenError    invalid_enroll_token
├── AgentAuthError             one code each for what is wrong with an agent's signature
├── SlackSignatureError        bad_slack_signature
├── ForbiddenError             forbidden               the role does not allow it
├── TokenScopeError            token_scope
├── RefusedError               trigger_suspended, agent_suspended, trigger_type, ref_not_allowed
├── InvalidStateError          invalid_state           an OAuth round trip that connects nothing
├── NotFoundError              not_found               absent and foreign alike
├── ConflictError              idempotency_conflict, job_finished, already_claimed, result_conflict, managed_in_git,
│                                                     not_uploaded, file_changed, slack_not_configured,
│   │                                                 slack_team_taken, secrets_forbidden, agent_name_taken
│   └── PodReplacedError       pod_replaced
├── GoneError                  job_gone
├── PreconditionFailedError    precondition_failed
├── ValidationFailedError      validation_error and its more exact siblings
├── TooLargeError              too_large
├── SlowRequestError           request_timeout
├── UnsupportedEncodingError   unsupported_encoding
├── RateLimitedError           rate_limited
│   └── QuotaExceededError     quota_exceeded
└── UnavailableError           unavailable, storage_unavailable, slack_unavailable, shutting_down
"""

from collections.abc import Mapping
from typing import Any

from deplite.errors import DepliteError


class ApiError(DepliteError):
    """Base of every refusal.

    Attributes:
        code: the wire code.
        retry_after: whole seconds after which the same request may pass; None where waiting does not help.
        extra: further members of the answer's body.
        headers: further headers of the answer.
    """

    code = "error"
    default = "The request was refused."

    def __init__(
        self,
        message: str | None = None,
        *,
        code: str | None = None,
        retry_after: int | None = None,
        extra: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.message = message or self.default
        super().__init__(self.message)
        self.code = code or self.code
        self.retry_after = retry_after
        self.extra = dict(extra or {})
        self.headers = dict(headers or {})


class UnauthorizedError(ApiError):
    """The request names nobody."""

    code = "unauthorized"
    default = "Send one header: Authorization: Bearer <credential>."


class InvalidTokenError(ApiError):
    """The credential is not good; why is not told."""

    code = "invalid_token"
    default = "The credential is unknown, expired or revoked."


class WrongCredentialError(ApiError):
    """A credential of another kind belongs here."""

    code = "wrong_credential"
    default = "This route takes another kind of credential."


class InvalidEnrollTokenError(ApiError):
    """The enrolment code is not good; why is not told."""

    code = "invalid_enroll_token"
    default = "The enrolment code is unknown, spent or expired; ask an owner for a new one."


class AgentAuthError(ApiError):
    """Something is wrong with the signature of an agent's request; `code` says what."""

    code = "bad_signature"
    default = "The request's signature does not verify."


class SlackSignatureError(ApiError):
    """Slack did not send this, or not lately; what is wrong is not told."""

    code = "bad_slack_signature"
    default = "The request carries no signature of Slack that holds now."


class ForbiddenError(ApiError):
    """The caller is known, but may not do this."""

    code = "forbidden"
    default = "This needs the role owner."


class TokenScopeError(ApiError):
    """The token has no grant for it."""

    code = "token_scope"
    default = "The token's grants do not cover this trigger."


class RefusedError(ApiError):
    """A rule of the trigger or its agent refuses the run; `code` says which."""

    code = "refused"


class InvalidStateError(ApiError):
    """What came back of an OAuth round trip is not what was begun here, or it was declined."""

    code = "invalid_state"
    default = "This link is not one of ours."


class NotFoundError(ApiError):
    """It does not exist, or it is none of the caller's business."""

    code = "not_found"
    default = "There is no such thing here."


class ConflictError(ApiError):
    """The present state does not allow it; `code` says why."""

    code = "conflict"


class PodReplacedError(ConflictError):
    """Another pod of the pool is the agent of its node by now."""

    code = "pod_replaced"
    default = "Another pod of this pool has taken this agent over on its node; this one stays out."


class GoneError(ApiError):
    """The job that the agent speaks of was replaced."""

    code = "job_gone"
    default = "This job is gone; drop it."


class PreconditionFailedError(ApiError):
    """The object changed since it was read."""

    code = "precondition_failed"
    default = "The object changed since you read it; read it again."


class ValidationFailedError(ApiError):
    """The input is wrong; the message names the field."""

    code = "validation_error"
    default = "The input is wrong."


class TooLargeError(ApiError):
    """The body is longer than this route takes."""

    code = "too_large"
    default = "The request body is too large."


class SlowRequestError(ApiError):
    """The body did not arrive in time."""

    code = "request_timeout"
    default = "The request body did not arrive in time."


class UnsupportedEncodingError(ApiError):
    """The body is compressed."""

    code = "unsupported_encoding"
    default = "Send the body without Content-Encoding."


class RateLimitedError(ApiError):
    """A limit is reached; `retry_after` is always set."""

    code = "rate_limited"
    default = "Rate limit exceeded"


class QuotaExceededError(RateLimitedError):
    """The organization has as much of something as it may have at a time."""

    code = "quota_exceeded"
    default = "The organization has as much as it may have."


class UnavailableError(ApiError):
    """Something that we need is away; `retry_after` is always set."""

    code = "unavailable"
    default = "The service is not available for the moment; try again."
