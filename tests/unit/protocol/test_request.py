"""What a request's signature covers, against a vector made by hand with `cryptography` and the protocol page alone."""

import base64
import hashlib
import re

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deplite.protocol.keys import verify
from deplite.protocol.request import RequestSigner, signing_input
from tests.published.agent import EMPTY_SHA256

SEED = bytes.fromhex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
KEY = Ed25519PrivateKey.from_private_bytes(SEED)
BODY = '{"name":"Zoë"}'.encode()
COVERED = (
    b"1790000000\n00112233445566778899aabbccddeeff\nPOST\n/agent/workflows/report\n"
    b"6bd0ee7972d372ec1f8a3cc44302e5449751305d73c2b69b5a79c62f88a4ca77"
)
SIGNATURE = "c/TV+E+2GCE8gsBZuVU9HQclWo/geCU0w35TPCiVmqsJzctGvoF5zemGnvTpxSruItwifx4wCUTpN1U1BEdVDw=="


def test_the_bytes_that_are_signed() -> None:
    found = signing_input(
        timestamp=1790000000,
        nonce="00112233445566778899aabbccddeeff",
        method="POST",
        path="/agent/workflows/report",
        body=BODY,
    )
    assert found == COVERED


def test_an_empty_body_has_the_hash_of_nothing() -> None:
    found = signing_input(timestamp=0, nonce="n", method="GET", path="/agent/stream", body=b"")
    assert found == f"0\nn\nGET\n/agent/stream\n{EMPTY_SHA256}".encode()
    assert hashlib.sha256(b"").hexdigest() == EMPTY_SHA256


def test_the_signature_of_the_fixed_vector() -> None:
    assert base64.b64encode(KEY.sign(COVERED)).decode() == SIGNATURE
    verify(KEY.public_key(), COVERED, SIGNATURE)


def test_the_four_headers_of_a_request() -> None:
    signer = RequestSigner(agent_id="ag-x", key=KEY)
    headers = signer.headers(timestamp=1790000000, method="POST", path="/agent/workflows/report", body=BODY)
    assert headers.keys() == {"X-Agent-Id", "X-Timestamp", "X-Nonce", "X-Signature"}
    assert (headers["X-Agent-Id"], headers["X-Timestamp"]) == ("ag-x", "1790000000")
    assert re.fullmatch(r"[0-9a-f]{32}", headers["X-Nonce"])
    verify(
        KEY.public_key(),
        COVERED.replace(b"00112233445566778899aabbccddeeff", headers["X-Nonce"].encode()),
        headers["X-Signature"],
    )


def test_a_nonce_is_never_used_twice() -> None:
    signer = RequestSigner(agent_id="ag-x", key=KEY)
    nonces = {signer.headers(timestamp=1, method="GET", path="/", body=b"")["X-Nonce"] for _ in range(1000)}
    assert len(nonces) == 1000


def test_the_key_is_not_shown() -> None:
    assert SEED.hex() not in repr(RequestSigner(agent_id="ag-x", key=KEY))
