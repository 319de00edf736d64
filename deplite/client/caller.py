"""Who calls, and whom: read from the environment, as `deplite up` writes it to DIR/env."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from deplite.client.errors import CallerError

_WHERE = "`deplite up` writes it to .deplite/env: `. .deplite/env` sets it"


@dataclass(frozen=True, kw_only=True)
class Caller:
    """A credential and the server that it is for."""

    url: str
    """Without a final slash; with or without a prefix (`/api`, `/v1`)."""
    credential: str = field(repr=False)
    organization: str | None
    """None for an API token: it knows its own."""

    @property
    def files(self) -> str:
        """The path of the files that this caller may see."""
        return "/storage/files" if self.organization is None else f"/orgs/{self.organization}/files"


def load_caller(environment: Mapping[str, str] = os.environ) -> Caller:
    """Return the caller; an API token comes before a person's JWT.

    Raises:
        CallerError: a variable is missing or wrong.
    """
    if token := environment.get("DEPLITE_API_TOKEN"):
        token = _plain("DEPLITE_API_TOKEN", token)
        return Caller(url=_url(environment), credential=token, organization=None)
    return _person(environment, " or, with an API token, DEPLITE_API_TOKEN")


def load_person(environment: Mapping[str, str] = os.environ) -> Caller:
    """Return the person, also where an API token is set.

    Raises:
        CallerError: a variable is missing or wrong.
    """
    return _person(environment, "")


def _person(environment: Mapping[str, str], otherwise: str) -> Caller:
    url = _url(environment)
    jwt, organization = environment.get("DEPLITE_JWT"), environment.get("DEPLITE_ORG_ID")
    if not jwt:
        raise CallerError(f"Set DEPLITE_JWT ({_WHERE}){otherwise}.")
    if not organization:
        raise CallerError(f"Set DEPLITE_ORG_ID to the organization ({_WHERE}).")
    return Caller(url=url, credential=_plain("DEPLITE_JWT", jwt), organization=_plain("DEPLITE_ORG_ID", organization))


def _url(environment: Mapping[str, str]) -> str:
    url = environment.get("DEPLITE_URL", "").rstrip("/")
    if urlsplit(url).scheme not in ("http", "https"):
        raise CallerError(f"Set DEPLITE_URL to the server's address ({_WHERE}).")
    return url


def _plain(variable: str, value: str) -> str:
    if not (value.isascii() and value.isprintable()) or set(value) & set(" /?#"):
        raise CallerError(f"{variable} is not what it should be: copy it anew, without blanks or quotes.")
    return value
