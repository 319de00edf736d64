"""An issuer of the tests' own: an RSA and an Ed25519 key, their JWKS in a file, and tokens that say what one wants."""

import base64
import json
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from deplite.kube.client import KubeClient
from deplite.resources import Organization
from deplite_apiserver.settings import IssuerSettings
from tests.kube.serving import told

ISSUER = "https://issuer.test"
AUDIENCE = "deplite-test"
LIFETIME = 86_400
"""Seconds that a token is good for: a session's tests may take long."""


def segment(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class People:
    """Signs tokens; `rsa` is the key that the set names `rsa-1`, `edwards` the one named `ed-1`."""

    folder: Path
    rsa: RSAPrivateKey = field(default_factory=lambda: generate_private_key(65537, 2048))
    edwards: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    def settings(self) -> IssuerSettings:
        path = self.folder / f"people-{secrets.token_hex(4)}.json"
        path.write_text(json.dumps({"keys": [self._rsa_jwk(), self._edwards_jwk()]}))
        return IssuerSettings(issuer=ISSUER, audience=AUDIENCE, jwks=str(path))

    def claims(self, subject: str, **override: Any) -> dict[str, Any]:
        """Return good claims; keyword arguments replace them, None leaves one out."""
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + LIFETIME} | override
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, subject: str, *, headers: dict[str, Any] | None = None, **override: Any) -> str:
        return jwt.encode(
            self.claims(subject, **override), self.rsa, algorithm="RS256", headers={"kid": "rsa-1"} | (headers or {})
        )

    def signed_raw(self, header: bytes, payload: bytes) -> str:
        """Return a token of any bytes, with a good RS256 signature over them."""
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        signed = f"{segment(header)}.{segment(payload)}"
        return f"{signed}.{segment(self.rsa.sign(signed.encode(), PKCS1v15(), SHA256()))}"

    def rsa_public_pem(self) -> bytes:
        return self.rsa.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def _rsa_jwk(self) -> dict[str, str]:
        numbers = self.rsa.public_key().public_numbers()
        n, e = (number.to_bytes((number.bit_length() + 7) // 8, "big") for number in (numbers.n, numbers.e))
        return {"kty": "RSA", "kid": "rsa-1", "alg": "RS256", "use": "sig", "n": segment(n), "e": segment(e)}

    def _edwards_jwk(self) -> dict[str, str]:
        raw = self.edwards.public_key().public_bytes_raw()
        return {"kty": "OKP", "crv": "Ed25519", "kid": "ed-1", "alg": "EdDSA", "use": "sig", "x": segment(raw)}


async def declare_people(kube: KubeClient, namespace: str, **roles: str) -> None:
    """Apply the Organization object; keyword arguments are subjects and their roles."""
    spec = {"members": [{"issuer": ISSUER, "subject": subject, "role": role} for subject, role in roles.items()]}
    await kube.create(
        Organization.model_validate({"metadata": {"name": "organization", "namespace": namespace}, "spec": spec})
    )
    await told(Organization)
