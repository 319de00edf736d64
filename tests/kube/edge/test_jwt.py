"""JWTs: only what a configured issuer signed, for us, now."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import pytest

from tests.kube.edge.answers import refused
from tests.kube.edge.conftest import Organized
from tests.kube.edge.people import AUDIENCE, ISSUER, People, segment
from tests.kube.edge.rawhttp import Wire

NOW = time.time
RS256 = b'{"alg":"RS256","kid":"rsa-1"}'


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def unsigned(people: People) -> str:
    return jwt.encode(people.claims("olga"), None, algorithm="none", headers={"kid": "rsa-1"})


def none_with_signature(people: People) -> str:
    _, payload, signature = people.token("olga").split(".")
    return ".".join((segment(b'{"alg":"none","kid":"rsa-1"}'), payload, signature))


def hmac_with_the_public_key(people: People) -> str:
    header, payload = b'{"alg":"HS256","kid":"rsa-1"}', json.dumps(people.claims("olga")).encode()
    signed = f"{segment(header)}.{segment(payload)}"
    return f"{signed}.{segment(hmac.new(people.rsa_public_pem(), signed.encode(), hashlib.sha256).digest())}"


def altered(people: People) -> str:
    header, payload, signature = people.token("mika").split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return ".".join((header, segment(json.dumps(claims | {"sub": "olga"}).encode()), signature))


def deep(people: People) -> str:
    return people.signed_raw(RS256, b'{"iss":' + b"[" * 3000 + b"]" * 3000 + b"}")


def deep_header(people: People) -> str:
    return people.signed_raw(b'{"alg":"RS256","x":' + b"[" * 3000 + b"]" * 3000 + b"}", b"{}")


WRONG: dict[str, Callable[[People], str]] = {
    "alg none": unsigned,
    "alg none, signed": none_with_signature,
    "alg in capitals": lambda p: p.signed_raw(b'{"alg":"rs256","kid":"rsa-1"}', json.dumps(p.claims("olga")).encode()),
    "HS256 with the RSA public key": hmac_with_the_public_key,
    "EdDSA key, RS256 name": lambda p: p.token("olga", headers={"kid": "ed-1"}),
    "RS512 of the same key": lambda p: jwt.encode(p.claims("olga"), p.rsa, "RS512", headers={"kid": "rsa-1"}),
    "another key": lambda p: People(p.folder).token("olga"),
    "unknown kid": lambda p: p.token("olga", headers={"kid": "rsa-2"}),
    "no kid where there are two keys": lambda p: jwt.encode(p.claims("olga"), p.rsa, "RS256"),
    "a kid that is a number": lambda p: p.signed_raw(b'{"alg":"RS256","kid":1}', json.dumps(p.claims("o")).encode()),
    "altered": altered,
    "wrong audience": lambda p: p.token("olga", aud="somebody-else"),
    "no audience": lambda p: p.token("olga", aud=None),
    "wrong issuer": lambda p: p.token("olga", iss="https://other.test"),
    "an issuer that is a list": lambda p: p.signed_raw(
        RS256, json.dumps(p.claims("olga") | {"iss": [ISSUER]}).encode()
    ),
    "no issuer": lambda p: p.token("olga", iss=None),
    "no subject": lambda p: p.token("olga", sub=None),
    "an empty subject": lambda p: p.token(""),
    "no iat": lambda p: p.token("olga", iat=None),
    "no exp": lambda p: p.token("olga", exp=None),
    "exp 31 seconds ago": lambda p: p.token("olga", exp=int(NOW()) - 31),
    "exp infinite": lambda p: p.signed_raw(
        RS256,
        json.dumps(p.claims("olga")).replace('"exp": ', '"exp": Infinity, "was": ').encode(),
    ),
    "nbf in 60 seconds": lambda p: p.token("olga", nbf=int(NOW()) + 60),
    "iat in 60 seconds": lambda p: p.token("olga", iat=int(NOW()) + 60),
    "64 KiB": lambda p: p.token("olga", padding="x" * 49_000),
    "9 KiB": lambda p: p.token("olga", padding="x" * 7000),
    "deep payload": deep,
    "deep header": deep_header,
    "payload is a list": lambda p: p.signed_raw(RS256, b"[]"),
    "payload is no JSON": lambda p: p.signed_raw(RS256, b"{"),
    "payload is no UTF-8": lambda p: p.signed_raw(RS256, b'{"iss":"\xff"}'),
    "header is a list": lambda p: p.signed_raw(b"[]", b"{}"),
    "two parts": lambda p: "a.b",
    "one part": lambda p: "a",
    "empty parts": lambda p: "..",
    "no base64": lambda p: "!.!.!",
    "an encrypted token": lambda p: "a.b.c.d.e",
}


@pytest.mark.parametrize("what", WRONG)
async def test_a_wrong_jwt_is_401(http: httpx.AsyncClient, home: Organized, people: People, what: str) -> None:
    answer = await http.get(f"/orgs/{home.namespace}/triggers", headers=bearer(WRONG[what](people)))
    refused(answer, 401, "invalid_token")


@pytest.mark.parametrize("header", ["jku", "x5u", "jwk", "x5c"])
async def test_a_key_address_in_the_header_is_never_followed(
    http: httpx.AsyncClient, home: Organized, people: People, header: str
) -> None:
    asked: list[bytes] = []

    async def note(reader: Any, writer: Any) -> None:
        asked.append(await reader.read(100))
        writer.close()

    server = await asyncio.start_server(note, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    stranger = People(people.folder)
    value: Any = f"http://127.0.0.1:{port}/jwks"
    value = {"kty": "RSA"} if header == "jwk" else [value] if header == "x5c" else value
    token = stranger.token("olga", headers={header: value, "kid": "unknown"})
    refused(await http.get(f"/orgs/{home.namespace}/triggers", headers=bearer(token)), 401, "invalid_token")
    token = stranger.token("olga", headers={header: value})
    refused(await http.get(f"/orgs/{home.namespace}/triggers", headers=bearer(token)), 401, "invalid_token")
    server.close()
    assert asked == []


@pytest.mark.parametrize(
    "token",
    [
        lambda p: p.token("olga"),
        lambda p: p.token("olga", exp=int(NOW()) - 1),
        lambda p: p.token("olga", nbf=int(NOW()) + 25),
        lambda p: p.token("olga", aud=["other", AUDIENCE]),
        lambda p: jwt.encode(p.claims("olga"), p.edwards, "EdDSA", headers={"kid": "ed-1"}),
    ],
    ids=["plain", "just expired", "just not yet", "one of two audiences", "EdDSA"],
)
async def test_a_good_jwt_is_believed(
    http: httpx.AsyncClient, home: Organized, people: People, token: Callable[[People], str]
) -> None:
    answer = await http.get(f"/orgs/{home.namespace}/triggers", headers=bearer(token(people)))
    assert answer.status_code == 200, answer.text


async def test_the_same_subject_of_another_issuer_is_another_person(
    http: httpx.AsyncClient, home: Organized, people: People
) -> None:
    # `olga` is an owner as ISSUER's; nobody configured this issuer, so not even membership is looked at.
    token = people.token("olga", iss=ISSUER + "/")
    refused(await http.get(f"/orgs/{home.namespace}/triggers", headers=bearer(token)), 401, "invalid_token")


async def test_bytes_above_ascii_in_the_header_are_401(http: httpx.AsyncClient, home: Organized) -> None:
    wire = await Wire.open(str(http.base_url))
    await wire.send(b"GET /orgs/org-x/triggers HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer \xc3\xa4.\xff.a\r\n\r\n")
    answer = await wire.answer()
    assert (answer.status, answer.json()["code"]) == (401, "invalid_token")
    await wire.close()
