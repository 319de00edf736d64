"""What the Authorization header holds, before anybody asks whether it is good."""

from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request

from deplite_apiserver.errors import UnauthorizedError

CredentialKind = Literal["api_token", "enrollment", "jwt"]


@dataclass(frozen=True, kw_only=True)
class Bearer:
    """A bearer credential; never shown in a representation."""

    kind: CredentialKind
    text: str

    def __repr__(self) -> str:
        return f"Bearer(kind={self.kind!r})"


def bearer_of(request: Request) -> Bearer:
    """Return the credential of a request.

    Raises:
        UnauthorizedError: there is no Authorization header, more than one, or none of the scheme Bearer.
    """
    values = request.headers.getlist("authorization")
    if len(values) != 1:
        raise _unauthorized()
    scheme, _, text = values[0].strip().partition(" ")
    text = text.strip()
    if scheme.lower() != "bearer" or not text or " " in text:
        raise _unauthorized()
    return Bearer(kind=_kind(text), text=text)


def _kind(text: str) -> CredentialKind:
    if text.startswith("tk_"):
        return "api_token"
    return "enrollment" if text.startswith("enr_") else "jwt"


def _unauthorized() -> UnauthorizedError:
    return UnauthorizedError(headers={"WWW-Authenticate": "Bearer"})
