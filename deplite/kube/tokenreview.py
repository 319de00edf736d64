"""TokenReview: what the Kubernetes API says of a token that somebody showed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PATH = "/apis/authentication.k8s.io/v1/tokenreviews"


@dataclass(frozen=True, kw_only=True)
class TokenReview:
    """The answer to one question."""

    authenticated: bool
    """Whether the token is good, and for the audience that was asked about."""
    username: str
    uid: str
    extra: Mapping[str, tuple[str, ...]]
    error: str
    """Why not, in the API server's words; for logs alone."""

    def one(self, key: str) -> str | None:
        """Return an extra that is there exactly once."""
        values = self.extra.get(key, ())
        return values[0] if len(values) == 1 else None


def question(token: str, audience: str) -> dict[str, Any]:
    """Return the body of the request."""
    return {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token, "audiences": [audience]},
    }


def answer_from(body: Mapping[str, Any], audience: str) -> TokenReview:
    """Return what an answer says; an authenticator that knows no audiences names none, and its word does not count."""
    status = body.get("status") or {}
    user = status.get("user") or {}
    return TokenReview(
        authenticated=status.get("authenticated") is True and audience in (status.get("audiences") or ()),
        username=user.get("username", ""),
        uid=user.get("uid", ""),
        extra={key: tuple(values) for key, values in (user.get("extra") or {}).items()},
        error=str(status.get("error", "")),
    )
