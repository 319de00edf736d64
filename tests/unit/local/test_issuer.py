"""The issuer of one machine: what it signs is what the apiserver demands, and its key is private."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest

from deplite.local.issuer import AUDIENCE, ISSUER, Issuer

NOW = datetime.now(UTC)


def verify(issuer: Issuer, token: str) -> dict[str, object]:
    keys = jwt.PyJWKSet.from_json(issuer.jwks_file.read_text())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims: dict[str, object] = jwt.decode(
        token,
        key,
        algorithms=["EdDSA"],
        audience=AUDIENCE,
        issuer=ISSUER,
        options={"require": ["exp", "iat", "iss", "aud", "sub"]},
    )
    return claims


def test_a_token_verifies_against_the_published_keys(tmp_path: Path) -> None:
    issuer = Issuer.open(tmp_path)
    claims = verify(issuer, issuer.token("owner", NOW))
    assert claims["sub"] == "owner"
    assert claims["exp"] == int(NOW.timestamp()) + 7 * 86400


def test_an_ended_token_does_not(tmp_path: Path) -> None:
    issuer = Issuer.open(tmp_path)
    token = issuer.token("owner", NOW - timedelta(days=8))
    with pytest.raises(jwt.ExpiredSignatureError):
        verify(issuer, token)


def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    token = Issuer.open(tmp_path).token("owner", NOW)
    assert verify(Issuer.open(tmp_path), token)["sub"] == "owner"
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600


def test_no_private_part_is_published(tmp_path: Path) -> None:
    issuer = Issuer.open(tmp_path)
    (key,) = json.loads(issuer.jwks_file.read_text())["keys"]
    assert set(key) == {"kty", "crv", "x", "kid", "alg", "use"}


def test_the_trusted_issuers_name_the_key_file(tmp_path: Path) -> None:
    issuer = Issuer.open(tmp_path)
    assert json.loads(issuer.issuers_file.read_text()) == [
        {"issuer": ISSUER, "audience": AUDIENCE, "jwks": str(tmp_path / "jwks.json")}
    ]
