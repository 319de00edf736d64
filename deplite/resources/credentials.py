"""Tokens, enrolment codes and link codes: `tk_`, `enr_` or `lnk_`, 30 base62 characters, and a CRC32 checksum in 6.

The checksum lets junk be refused before any lookup; only the sha256 of a credential is ever stored.
"""

import hashlib
import re
import secrets
import string
import zlib
from dataclasses import dataclass, field
from typing import Literal

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SHAPE = re.compile(r"(tk|enr|lnk)_[0-9A-Za-z]{36}")
_PUBLIC_CHARACTERS = 6

CredentialKind = Literal["tk", "enr", "lnk"]


@dataclass(frozen=True, kw_only=True)
class Credential:
    """A freshly minted credential; `plain` is shown once and stored nowhere of ours."""

    plain: str = field(repr=False)
    sha256: str
    prefix: str
    """The public beginning, for people to tell credentials apart."""


def mint(kind: CredentialKind) -> Credential:
    """Make a new credential of 178 random bits."""
    body = "".join(secrets.choice(_ALPHABET) for _ in range(30))
    return describe(f"{kind}_{body}{_checksum(f'{kind}_{body}')}")


def describe(plain: str) -> Credential:
    """Return the credential that a plain text is (its checksum is not looked at)."""
    kind, _, body = plain.partition("_")
    return Credential(
        plain=plain, sha256=hashlib.sha256(plain.encode()).hexdigest(), prefix=f"{kind}_{body[:_PUBLIC_CHARACTERS]}"
    )


def well_formed(plain: str, kind: CredentialKind) -> bool:
    """Whether the text has the shape and the checksum of that kind of credential."""
    return (
        _SHAPE.fullmatch(plain) is not None
        and plain.startswith(f"{kind}_")
        and secrets.compare_digest(_checksum(plain[:-6]), plain[-6:])
    )


def _checksum(text: str) -> str:
    number, characters = zlib.crc32(text.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        characters = _ALPHABET[digit] + characters
    return characters
