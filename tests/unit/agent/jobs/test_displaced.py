"""What the agent does when another process has its identity."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deplite_agent.loops.stream import DISPLACED_SECONDS, Events, Orders
from tests.unit.agent.jobs.conftest import Desks


def nothing() -> None:
    raise AssertionError("nobody asked for it")


async def test_the_displaced_process_waits_a_minute_once(desks: Desks) -> None:
    key = Ed25519PrivateKey.generate().public_key()
    events = Events(desks(), Orders(report=nothing, revoke=nothing), agent_id="ag-1", key=key, now=lambda: 0.0)
    assert events.patience() == 0.0
    events.handle("displaced", {})
    assert (events.patience(), events.patience()) == (DISPLACED_SECONDS, 0.0)
    assert DISPLACED_SECONDS == 60.0
