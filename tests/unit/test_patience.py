"""Requests have less patience than what goes on in the background."""

from starlette.types import Message, Receive, Scope, Send

from deplite.patience import PATIENCE, patience
from deplite_apiserver.edge.patience import PatienceMiddleware
from deplite_apiserver.settings import Waits


async def test_for_a_request_it_is_short_and_for_others_as_usual() -> None:
    seen: list[float] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend([patience(10.0), patience(1.0)])

    async def receive() -> Message:
        raise AssertionError("nobody reads")

    async def send(message: Message) -> None:
        raise AssertionError("nobody answers")

    for kind in ("http", "lifespan", "http"):
        await PatienceMiddleware(app, seconds=2.0)({"type": kind}, receive, send)
    assert seen == [2.0, 1.0, 10.0, 1.0, 2.0, 1.0]
    assert (PATIENCE.get(), patience(10.0)) == (None, 10.0)
    assert Waits().request < 3
