"""The first start: tried until the server answers, with the same key; a refusal says what to do."""

from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deplite.protocol.keys import public_pem
from deplite_agent.enrollment import enroll
from deplite_agent.errors import EnrollmentError
from deplite_agent.identity import Enrolled
from tests.unit.agent.server import Server, answer

KEY = Ed25519PrivateKey.generate()
PEM = public_pem(Ed25519PrivateKey.generate().public_key())
GOOD: dict[str, Any] = {"agentId": "ag-1", "organizationId": "org-1", "serverPublicKey": PEM}


async def test_a_server_that_is_away_is_asked_again_with_the_same_key() -> None:
    server = Server()
    server.script = lambda _: (
        httpx.Response(503) if len(server.calls) < 2 else httpx.Response(201, json=GOOD | {"x": 1})
    )
    enrolled = await enroll(server.transport(), "enr_x", "n" * 200, KEY)
    assert enrolled == Enrolled(agent_id="ag-1", organization_id="org-1", server_public_key=PEM)
    assert server.calls[0].body == server.calls[1].body
    body = server.calls[0].body
    assert body["publicKey"] == public_pem(KEY.public_key())
    assert body["name"] == "n" * 128
    assert set(body) == {"name", "publicKey", "hostname", "os", "agentVersion"}


async def test_a_refusal_says_what_to_do() -> None:
    server = Server(script=lambda _: answer(401, "invalid_enroll_token"))
    with pytest.raises(EnrollmentError, match=r"invalid_enroll_token.*Ask an owner for a new code in DEPLITE_TOKEN\.$"):
        await enroll(server.transport(), "enr_x", "n", KEY)


@pytest.mark.parametrize("body", [{}, GOOD | {"agentId": 7}, GOOD | {"serverPublicKey": "x"}, {"agentId": "a"}])
async def test_an_answer_that_is_none_is_an_error(body: dict[str, Any]) -> None:
    server = Server(script=lambda _: httpx.Response(201, json=body))
    with pytest.raises(EnrollmentError, match="is DEPLITE_URL right"):
        await enroll(server.transport(), "enr_x", "n", KEY)
