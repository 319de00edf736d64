"""Signed messages to agents: sealed by us, read by a client that shares no code, and refused when anything is off."""

import base64
import copy
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deplite.protocol.envelope import seal, unseal
from deplite.protocol.errors import BadSignatureError, UnsignableError
from tests.published.canonical import canonical

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
PAYLOAD: dict[str, Any] = {
    "job_id": "j-" + "a" * 26,
    "workflow_name": "deploy-prod",
    "debug": False,
    "ref": "main",
    "params": {"text": "<&>\u2028\N{GRINNING FACE}", "replicas": 3},
    "issued_at": 1790000000,
    "nonce": "0" * 32,
    "force": False,
}


def test_a_published_client_verifies_it() -> None:
    envelope = seal(KEY, PAYLOAD)
    KEY.public_key().verify(base64.b64decode(envelope["signature"]), canonical(envelope["payload"]).encode())


def test_what_a_published_server_signs_is_read() -> None:
    signature = base64.b64encode(KEY.sign(canonical(PAYLOAD).encode())).decode()
    assert unseal(KEY.public_key(), {"payload": PAYLOAD, "signature": signature, "later": 1}) == PAYLOAD


@pytest.mark.parametrize("name", [*PAYLOAD, "unheard_of"])
def test_any_change_of_the_payload_is_noticed(name: str) -> None:
    envelope = copy.deepcopy(dict(seal(KEY, PAYLOAD)))
    envelope["payload"][name] = "other"  # type: ignore[index]
    with pytest.raises(BadSignatureError):
        unseal(KEY.public_key(), envelope)


def test_another_server_key_is_noticed() -> None:
    with pytest.raises(BadSignatureError):
        unseal(Ed25519PrivateKey.generate().public_key(), seal(KEY, PAYLOAD))


@pytest.mark.parametrize(
    "envelope",
    [
        None,
        [],
        "text",
        {},
        {"payload": PAYLOAD},
        {"signature": "x"},
        {"payload": [PAYLOAD], "signature": "x"},
        {"payload": PAYLOAD, "signature": None},
        {"payload": PAYLOAD, "signature": 1},
        {"payload": {"a": 0.5}, "signature": "x"},
        {"payload": {"a": "\ud800"}, "signature": "x"},
        {"payload": {"a": 2**60}, "signature": "x"},
    ],
    ids=lambda envelope: ascii(envelope)[:40],
)
def test_what_is_no_envelope_is_a_bad_signature(envelope: Any) -> None:
    with pytest.raises(BadSignatureError):
        unseal(KEY.public_key(), envelope)


def test_what_has_no_agreed_spelling_is_never_sealed() -> None:
    with pytest.raises(UnsignableError):
        seal(KEY, PAYLOAD | {"params": {"ratio": 0.5}})
