"""What becomes of an agent's request whose agent changes while its nonce is asked about."""

import contextlib
from collections.abc import Callable
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.requests import Request

from deplite.kube.client import KubeClient
from deplite.protocol.keys import public_pem, sign
from deplite.protocol.request import signing_input
from deplite.resources import Agent
from deplite.resources.identifiers import object_id
from deplite_apiserver.auth.signature import verify_request
from deplite_apiserver.caches import Caches
from deplite_apiserver.errors import AgentAuthError, UnavailableError
from deplite_apiserver.settings import Waits
from tests.unit.apiserver.jobs.builders import agent

NOW = 1_780_000_000
NONCE = "0" * 32
KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
Happening = Callable[[Caches], None]


class Nonces:
    """Something happens while a nonce is being spent."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self._meanwhile = meanwhile

    async def spend(self, *_: Any) -> bool:
        self._meanwhile()
        return True


def nobody(_: Agent) -> None: ...


def enrolled(**changes: Any) -> Agent:
    return agent(publicKey=public_pem(KEY.public_key()), **changes)


def known() -> Caches:
    caches = Caches(cast(KubeClient, None), Waits())
    caches.agents.synced, caches.agents.version = True, 1
    caches.agents.note(enrolled())
    return caches


def request() -> Request:
    """Return a heartbeat that the agent has signed."""
    signed = signing_input(timestamp=NOW, nonce=NONCE, method="POST", path="/agent/heartbeat", body=b"")
    headers = {
        "x-agent-id": object_id("ag", *enrolled().key),
        "x-timestamp": str(NOW),
        "x-nonce": NONCE,
        "x-signature": sign(KEY, signed),
    }
    return Request(
        {
            "type": "http",
            "method": "POST",
            "path": "/agent/heartbeat",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
    )


def becoming(changed: Agent, **metadata: str) -> Happening:
    """Have the watch bring another state of the agent."""
    body = changed.wire()
    newer = body | {"metadata": body["metadata"] | {"resourceVersion": "8"} | metadata}
    return lambda caches: caches.agents.note(newer)


def deleted(caches: Caches) -> None:
    caches.agents.forget(*enrolled().key)


@pytest.mark.parametrize(
    ("meanwhile", "code"),
    [
        (becoming(enrolled(spec={"revoked": True})), "agent_revoked"),
        (becoming(agent(publicKey=public_pem(OTHER.public_key()))), "bad_signature"),
        (becoming(enrolled(), uid="another"), "bad_signature"),
        (deleted, "unknown_agent"),
    ],
    ids=["revoked", "enrolled again", "replaced", "deleted"],
)
async def test_who_is_no_longer_good_once_the_nonce_is_spent_is_refused(meanwhile: Happening, code: str) -> None:
    caches = known()
    with pytest.raises(AgentAuthError) as refused:
        await verify_request(
            request(), b"", caches=caches, nonces=Nonces(lambda: meanwhile(caches)), heard=nobody, server_time=NOW
        )
    assert refused.value.code == code


async def test_what_is_used_of_the_agent_is_what_it_is_by_then() -> None:
    caches = known()
    rename = becoming(enrolled(spec={"displayName": "new"}))
    caller = await verify_request(
        request(), b"", caches=caches, nonces=Nonces(lambda: rename(caches)), heard=nobody, server_time=NOW
    )
    assert caller.agent.spec.display_name == "new"


@pytest.mark.parametrize(("outcome", "heard"), [(True, True), (UnavailableError(retry_after=1), True), (False, False)])
async def test_an_agent_is_heard_of_unless_its_call_is_a_replay(outcome: Any, heard: bool) -> None:
    caches, found = known(), list[str]()

    class Spent:
        async def spend(self, *_: Any) -> bool:
            if isinstance(outcome, UnavailableError):
                raise outcome
            return bool(outcome)

    with contextlib.suppress(UnavailableError, AgentAuthError):
        await verify_request(
            request(),
            b"",
            caches=caches,
            nonces=Spent(),
            heard=lambda one: found.append(one.name),
            server_time=NOW,
        )
    assert bool(found) is heard
