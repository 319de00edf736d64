"""The identity provider of one machine: an Ed25519 key, its public half as a static JWKS, and the owner's JWT."""

import hashlib
import json
from datetime import datetime, timedelta
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deplite import base64url
from deplite.local.layout import write_private

ISSUER = "https://deplite.localhost"
"""The `iss` of the tokens; nothing is ever fetched from it, the JWKS is a file."""
AUDIENCE = "deplite"
OWNER = "owner"
"""The `sub` of the person who called `deplite up`."""
OWNER_LIFETIME = timedelta(days=7)


class Issuer:
    """Signs tokens for the people of one machine."""

    def __init__(self, folder: Path, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.jwks_file = folder / "jwks.json"
        """The public key set that the apiserver trusts."""
        self.issuers_file = folder / "issuers.json"
        """What `DEPLITE_JWT_ISSUERS` names."""

    @classmethod
    def open(cls, folder: Path) -> "Issuer":
        """Load the key of a folder, or make it (0600), and write the public files beside it."""
        path = folder / "key.pem"
        if path.exists():
            loaded = serialization.load_pem_private_key(path.read_bytes(), password=None)
            if not isinstance(loaded, Ed25519PrivateKey):
                raise TypeError(f"{path} holds no Ed25519 key; remove the file and a new one is made")
            key = loaded
        else:
            key = Ed25519PrivateKey.generate()
            write_private(path, _pem(key))
        issuer = cls(folder, key)
        write_private(issuer.jwks_file, json.dumps({"keys": [issuer.public_jwk()]}, indent=2))
        trusted = {"issuer": ISSUER, "audience": AUDIENCE, "jwks": str(issuer.jwks_file)}
        write_private(issuer.issuers_file, json.dumps([trusted], indent=2))
        return issuer

    def public_jwk(self) -> dict[str, str]:
        """Return the public key as a JWK (RFC 8037); its `kid` is the RFC 7638 thumbprint."""
        raw = self._key.public_key().public_bytes_raw()
        required = {"crv": "Ed25519", "kty": "OKP", "x": base64url.encode(raw)}
        thumbprint = hashlib.sha256(json.dumps(required, sort_keys=True, separators=(",", ":")).encode()).digest()
        return {**required, "kid": base64url.encode(thumbprint), "alg": "EdDSA", "use": "sig"}

    def token(self, subject: str, now: datetime, lifetime: timedelta = OWNER_LIFETIME) -> str:
        """Return a signed JWT for a person, valid from now on for the lifetime."""
        issued = int(now.timestamp())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "iat": issued,
            "exp": issued + int(lifetime.total_seconds()),
        }
        return jwt.encode(claims, self._key, algorithm="EdDSA", headers={"kid": self.public_jwk()["kid"]})


def _pem(key: Ed25519PrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
