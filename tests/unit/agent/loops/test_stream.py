"""Events: only what the pinned server key signed, for this agent, just now and for the first time, is obeyed."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deplite.protocol.envelope import seal
from deplite_agent.errors import AwayError, RevokedError
from deplite_agent.jobs.order import Order
from deplite_agent.loops.stream import MAX_EVENT_BYTES, Events, Orders, hold_stream, read_events
from tests.unit.agent.builders import until
from tests.unit.agent.server import Call, Server, answer

NOW = 1_000_000.0
KEY = Ed25519PrivateKey.generate()
DEPLOY = {"job_id": "j-1", "job_uid": "u1", "workflow_name": "deploy", "params": {"n": 1}, "debug": False}


@dataclass
class Obeyed:
    """A desk and the other receivers of orders, in one."""

    taken: list[Order] = field(default_factory=list)
    cancelled: list[tuple[str, str, str]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    now: float = NOW

    def take(self, order: Order) -> None:
        self.taken.append(order)
        if order.workflow == "trip":
            raise KeyError("a fault of ours")

    def cancel(self, job_id: str, job_uid: str, reason: str) -> None:
        self.cancelled.append((job_id, job_uid, reason))

    def events(self) -> Events:
        orders = Orders(report=lambda: self.told.append("report"), revoke=lambda: self.told.append("revoke"))
        return Events(self, orders, agent_id="ag-1", key=KEY.public_key(), now=lambda: self.now)  # type: ignore[arg-type]

    @property
    def nothing(self) -> bool:
        return not (self.taken or self.cancelled or self.told)


def payload(nonce: str = "n1", **said: Any) -> dict[str, Any]:
    return DEPLOY | {"agent_id": "ag-1", "issued_at": int(NOW), "nonce": nonce} | said


def sealed(key: Ed25519PrivateKey = KEY, **said: Any) -> dict[str, Any]:
    return dict(seal(key, payload(**said)))


def signed(event: str, **said: Any) -> dict[str, Any]:
    body = {"event": event, "job_id": "j-1", "job_uid": "u1", "reason": "cancelled"}
    fresh = {"agent_id": "ag-1", "issued_at": int(NOW), "nonce": "n1"}
    return {"signed": dict(seal(KEY, body | fresh | said))}


def test_a_deploy_is_taken_as_it_was_signed() -> None:
    obeyed = Obeyed()
    obeyed.events().handle("deploy", sealed())
    assert obeyed.taken == [Order(job_id="j-1", job_uid="u1", workflow="deploy", params={"n": 1})]


def tampered(**said: Any) -> dict[str, Any]:
    envelope = sealed()
    return envelope | {"payload": envelope["payload"] | said}


REFUSED: dict[str, dict[str, Any]] = {
    "another key": sealed(Ed25519PrivateKey.generate()),
    "a changed workflow": tampered(workflow_name="other"),
    "a param more": tampered(params={"n": 1, "m": 2}),
    "a member more": tampered(more=1),
    "for another agent": sealed(agent_id="ag-2"),
    "for nobody": sealed(agent_id=None),
    "signed as a cancel": sealed(event="cancel"),
    "no moment": sealed(issued_at=None),
    "no nonce": sealed(nonce=None),
    "a number for a nonce": sealed(nonce=7),
    "no job": sealed(job_id=None),
    "an id that is a path": sealed(job_id="../x"),
    "no workflow": sealed(workflow_name=None),
    "no envelope": {},
    "no signature": {"payload": payload()},
    "a payload that nobody can sign": {"payload": payload() | {"x": 1.5}, "signature": "x"},
    "a payload that is too deep": {"payload": {"x": json.loads("[" * 900 + "]" * 900)}, "signature": "x"},
}


@pytest.mark.parametrize("envelope", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_obeyed(envelope: dict[str, Any]) -> None:
    obeyed = Obeyed()
    try:
        obeyed.events().handle("deploy", envelope)
    except AwayError:
        assert envelope == REFUSED["no moment"]  # out of time, as far as anybody can tell
    assert obeyed.nothing


@pytest.mark.parametrize("age", [-301, 301, 10_000, -10_000])
@pytest.mark.parametrize("event", ["deploy", "cancel", "revoke"])
def test_what_is_out_of_time_is_asked_for_again(age: int, event: str) -> None:
    obeyed = Obeyed()
    at = int(NOW) - age
    with pytest.raises(AwayError, match="out of time"):
        obeyed.events().handle(event, sealed(issued_at=at) if event == "deploy" else signed(event, issued_at=at))
    assert obeyed.nothing


@pytest.mark.parametrize("age", [-300, 0, 300])
def test_what_is_just_in_time_is_obeyed(age: int) -> None:
    obeyed = Obeyed()
    obeyed.events().handle("deploy", sealed(issued_at=int(NOW) - age))
    assert len(obeyed.taken) == 1


def test_a_replay_is_not_obeyed_however_late() -> None:
    obeyed = Obeyed()
    events = obeyed.events()
    envelope = sealed(issued_at=int(NOW) + 300)
    events.handle("deploy", envelope)
    for later in (0, 299, 599):
        obeyed.now = NOW + later
        events.handle("deploy", envelope)
        events.handle("deploy", sealed(nonce=f"other {later}", issued_at=int(obeyed.now)))
    assert [order.job_id for order in obeyed.taken] == ["j-1"] * 4
    assert len(events._nonces) == 4
    obeyed.now = NOW + 2000
    events.handle("deploy", sealed(nonce="last", issued_at=int(obeyed.now)))
    assert list(events._nonces) == ["last"]


def test_a_nonce_that_came_with_a_bad_signature_is_not_spent() -> None:
    obeyed = Obeyed()
    events = obeyed.events()
    events.handle("deploy", sealed(Ed25519PrivateKey.generate()))
    events.handle("deploy", sealed())
    assert len(obeyed.taken) == 1


def test_a_cancel_and_a_revoke_must_be_signed() -> None:
    obeyed = Obeyed()
    events = obeyed.events()
    events.handle("cancel", {"job_id": "j-1", "reason": "cancelled", "superseded": False})
    events.handle("revoke", {})
    events.handle("revoke", signed("cancel"))
    events.handle("cancel", signed("revoke", nonce="n2"))
    events.handle("cancel", {"signed": sealed(nonce="n3")})
    events.handle("revoke", sealed(nonce="n4"))
    assert obeyed.nothing
    events.handle("cancel", signed("cancel", nonce="n5", reason="superseded"))
    events.handle("revoke", signed("revoke", nonce="n6"))
    assert obeyed.cancelled == [("j-1", "u1", "superseded")]
    assert obeyed.told == ["revoke"]


def test_what_anybody_may_ask_for() -> None:
    obeyed = Obeyed()
    for name in ("sync_workflows", "workflows-refresh", "ping", "message", "an event of tomorrow"):
        obeyed.events().handle(name, {})
    assert obeyed.told == ["report", "report"]


def test_a_fault_of_ours_with_one_event_costs_no_other(caplog: pytest.LogCaptureFixture) -> None:
    obeyed = Obeyed()
    events = obeyed.events()
    events.handle("deploy", sealed(workflow_name="trip"))
    events.handle("deploy", sealed(nonce="n2"))
    assert [order.workflow for order in obeyed.taken] == ["trip", "deploy"]
    assert "made the agent fail" in caplog.text


async def read(*lines: str) -> list[tuple[str, Any]]:
    async def one_by_one() -> Any:
        for line in lines:
            yield line

    return [event async for event in read_events(one_by_one())]


async def test_events_are_read_as_the_standard_says() -> None:
    found = await read(
        *(": keepalive", "", "event: ping", "data: {}", ""),
        *("id: 7", "retry: 1", "event:deploy", 'data:{"a":', "data: 1}", "", ""),
        *("data: {}", "", "event: alone", "", 'data: {"torn": 1}'),
    )
    assert found == [("ping", {}), ("deploy", {"a": 1}), ("message", {})]


@pytest.mark.parametrize("data", ["x", "[1]", "null", "[" * 100_000, '{"a": "' + "x" * MAX_EVENT_BYTES + '"}'])
async def test_an_event_that_is_no_object_is_left_out_and_the_next_is_read(data: str) -> None:
    assert await read(f"data: {data}", "", "event: next", "data: {}", "") == [("next", {})]


async def test_the_stream_is_opened_again_and_ends_only_with_a_revoked_agent() -> None:
    server, obeyed, connects = Server(), Obeyed(), []

    def script(call: Call) -> httpx.Response | None:
        match len(server.calls):
            case 1:
                return answer(503, "unavailable")
            case 2:
                return answer(409, "something")
            case 3:
                text = f"event: deploy\ndata: {json.dumps(sealed())}\n\n"
                return httpx.Response(200, content=text.encode())
            case _:
                return answer(401, "agent_revoked")

    server.script = script
    with pytest.raises(RevokedError):
        await asyncio.wait_for(hold_stream(server.transport(), obeyed.events(), lambda: connects.append(1)), 60)
    await until(lambda: obeyed.taken)
    assert connects == [1]
