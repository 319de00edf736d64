"""The keys of an issuer: asked for seldom, by one at a time, and kept while it is away."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.utils import base64url_encode

from deplite_apiserver.auth.jwks import FIRST_SECONDS, FRESH_SECONDS, REFETCH_SECONDS, KeySet
from deplite_apiserver.errors import UnavailableError
from deplite_apiserver.metrics.metrics import Metrics
from tests.unit.apiserver.clocks import StillClock


def jwk(key_id: str | None) -> dict[str, str]:
    raw = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    key = {"kty": "OKP", "crv": "Ed25519", "x": base64url_encode(raw).decode()}
    return key | ({} if key_id is None else {"kid": key_id})


class Issuer:
    """A file of keys."""

    def __init__(self, folder: Path) -> None:
        self.path, self.clock = folder / "jwks.json", StillClock()
        self.keys = KeySet(str(self.path), Metrics(), self.clock.monotonic)

    def publish(self, *keys: Any) -> None:
        self.path.write_text(json.dumps({"keys": keys}))


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path)


async def test_a_new_key_is_found_but_asked_for_only_every_ten_seconds(issuer: Issuer) -> None:
    issuer.publish(jwk("old"))
    assert await issuer.keys.find("old") is not None
    assert await issuer.keys.find("new") is None
    issuer.publish(jwk("old"), jwk("new"))
    found = await asyncio.gather(*(issuer.keys.find("new") for _ in range(100)))
    assert found == [None] * 100
    issuer.clock.advance(REFETCH_SECONDS)
    found = await asyncio.gather(*(issuer.keys.find("new") for _ in range(100)))
    assert None not in found


async def test_a_key_that_was_taken_back_is_believed_no_longer_than_five_minutes(issuer: Issuer) -> None:
    issuer.publish(jwk("old"))
    assert await issuer.keys.find("old") is not None
    issuer.publish(jwk("new"))
    issuer.clock.advance(FRESH_SECONDS)
    assert await issuer.keys.find("old") is not None
    issuer.clock.advance(1)
    assert await issuer.keys.find("old") is None


@pytest.mark.parametrize("content", [None, "", "{", "[]", "{}", '{"keys": 1}', '{"keys": [1]}', "x" * 300_000])
async def test_old_keys_go_on_while_the_issuer_is_away_or_talks_nonsense(issuer: Issuer, content: str | None) -> None:
    issuer.publish(jwk("old"))
    assert await issuer.keys.find("old") is not None
    if content is None:
        issuer.path.unlink()
    else:
        issuer.path.write_text(content)
    for _ in range(5):
        issuer.clock.advance(FRESH_SECONDS + 1)
        assert await issuer.keys.find("old") is not None


async def test_nobody_is_refused_before_the_issuer_was_heard_once(issuer: Issuer) -> None:
    with pytest.raises(UnavailableError):
        await issuer.keys.find("old")
    issuer.publish(jwk("old"))
    with pytest.raises(UnavailableError):
        await issuer.keys.find("old")
    issuer.clock.advance(FIRST_SECONDS)
    assert await issuer.keys.find("old") is not None
    assert await issuer.keys.find("new") is None


@pytest.mark.parametrize("source", ["https://login.test:80x/keys", "https://login.test/keys\n", "https://[/keys"])
async def test_an_address_that_is_none_is_like_an_issuer_that_is_away(source: str) -> None:
    with pytest.raises(UnavailableError):
        await KeySet(source, Metrics()).find("old")


async def test_who_waits_for_a_silent_issuer_waits_for_one_try_of_all(issuer: Issuer) -> None:
    metrics = Metrics()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        keys = KeySet(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys", metrics)
        told = await asyncio.gather(*(keys.find("old") for _ in range(50)), return_exceptions=True)
    assert {type(one) for one in told} == {UnavailableError}
    assert metrics.jwks_fetches._value.get() < 5


async def test_the_keys_are_fetched_before_anybody_asks(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)
        issuer.clock.advance(seconds)
        if len(naps) == 6:
            issuer.publish(jwk("old"))

    monkeypatch.setattr("deplite_apiserver.auth.jwks.asyncio.sleep", nap)
    await issuer.keys.begin()
    assert naps == [1.0, 2.0, 4.0, 8.0, REFETCH_SECONDS, REFETCH_SECONDS]
    issuer.path.unlink()
    assert await issuer.keys.find("old") is not None


async def test_a_key_of_an_unknown_kind_hides_no_other(issuer: Issuer) -> None:
    damaged = {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}
    short = {"kty": "RSA", "n": "AQ", "e": "AQAB"}
    others = [{"kty": "new-kind", "kid": "a"}, {"kid": "b"}, damaged, short, {"kty": "EC", "crv": "P-256"}, {"kty": 1}]
    issuer.publish(*others, jwk("c"))
    assert await issuer.keys.find("c") is not None
    assert await issuer.keys.find("a") is None


async def test_without_a_key_id_the_only_key_is_meant(issuer: Issuer) -> None:
    issuer.publish(jwk(None))
    assert await issuer.keys.find(None) is not None
    issuer.publish(jwk(None), jwk("other"))
    issuer.clock.advance(FRESH_SECONDS + 1)
    assert await issuer.keys.find(None) is None
