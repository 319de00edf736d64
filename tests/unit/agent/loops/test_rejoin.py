"""An agent that the server does not know any more: it enrols again, with its key, and only where that may help."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx
import pytest

from deplite_agent.errors import AwayError, EnrollmentError, ReenrolledError, ReplacedError, RevokedError, StateError
from deplite_agent.identity import Enrolled
from deplite_agent.loops.rejoin import rejoin
from deplite_agent.transport import Transport
from tests.faults.virtualtime import in_virtual_time
from tests.unit.agent.server import Call, Server, answer

ME = Enrolled(agent_id="ag-1", organization_id="org-1", server_public_key="pem")


@dataclass(kw_only=True)
class Doors:
    """A server that does not know the agent until it enrols `cured` times; keeps when it was asked to."""

    cured: int = 1
    code: str = "unknown_agent"
    outcome: Callable[[], Enrolled] = lambda: ME
    enrolments: list[float] = field(default_factory=list)
    server: Server = field(default_factory=Server)
    rejoined: int = 0

    def __post_init__(self) -> None:
        self.server.script = self._answer

    def _answer(self, call: Call) -> httpx.Response | None:
        return None if len(self.enrolments) >= self.cured else answer(401, self.code)

    def _rejoined(self) -> None:
        self.rejoined += 1

    async def enroll(self) -> Enrolled:
        self.enrolments.append(asyncio.get_running_loop().time())
        return self.outcome()

    async def lived(self, seconds: float, call: Callable[[Transport], Awaitable[object]]) -> None:
        """Let the loop live for so long beside an agent that calls every second."""
        transport = self.server.transport()
        loop = asyncio.create_task(rejoin(transport, ME, self.enroll, self._rejoined))
        for _ in range(int(seconds)):
            with contextlib.suppress(AwayError):
                await call(transport)
            await asyncio.wait([loop], timeout=1)
        loop.cancel()
        await asyncio.wait([loop])
        if not loop.cancelled():
            loop.result()


async def beat(transport: Transport) -> None:
    await transport.call("POST", "/agent/heartbeat")


async def listen(transport: Transport) -> None:
    async with transport.stream() as lines:
        async for _ in lines:
            pass


@pytest.mark.parametrize("code", ["unknown_agent", "bad_signature"])
@pytest.mark.parametrize("call", [beat, listen])
async def test_it_enrols_again_once_and_goes_on(code: str, call: Callable[[Transport], Awaitable[object]]) -> None:
    doors = Doors(code=code)
    await in_virtual_time(lambda: doors.lived(600, call))
    assert (len(doors.enrolments), doors.rejoined) == (1, 1)


@pytest.mark.parametrize("code", ["stale_timestamp", "nonce_replayed", "bad_signature_headers", "invalid_token"])
async def test_other_refusals_are_no_reason(code: str) -> None:
    doors = Doors(code=code)
    await in_virtual_time(lambda: doors.lived(60, beat))
    assert doors.enrolments == []


async def test_a_proxy_that_says_401_is_no_reason() -> None:
    doors = Doors()
    doors.server.script = lambda _: httpx.Response(401, text="who are you?")
    await in_virtual_time(lambda: doors.lived(60, beat))
    assert doors.enrolments == []


async def test_a_replica_that_has_not_heard_of_us_for_a_moment_is_no_reason() -> None:
    doors = Doors()
    doors.server.script = lambda _: answer(401, "bad_signature") if len(doors.server.calls) == 1 else None
    await in_virtual_time(lambda: doors.lived(60, beat))
    assert doors.enrolments == []


async def test_where_it_does_not_help_it_is_tried_ever_more_rarely() -> None:
    def refused() -> Enrolled:
        raise EnrollmentError("no")

    def full() -> Enrolled:
        raise StateError("no room")

    for outcome in (refused, full, lambda: ME):
        doors = Doors(cured=10**6, outcome=outcome)
        await in_virtual_time(lambda doors=doors: doors.lived(3600, beat))  # type: ignore[misc]
        assert 20 < len(doors.enrolments) < 80
        gaps = [later - earlier for earlier, later in zip(doors.enrolments, doors.enrolments[1:], strict=False)]
        assert min(gaps) >= 4
        assert all(60 <= gap <= 130 for gap in gaps[8:])


async def test_what_the_answer_says_is_passed_on() -> None:
    other = Enrolled(agent_id="ag-2", organization_id="org-1", server_public_key="pem")
    with pytest.raises(ReenrolledError, match="agent ag-2 now") as caught:
        await in_virtual_time(lambda: Doors(outcome=lambda: other).lived(60, beat))
    assert caught.value.enrolled == other

    def replaced() -> Enrolled:
        raise ReplacedError("another pod")

    with pytest.raises(ReplacedError):
        await in_virtual_time(lambda: Doors(outcome=replaced).lived(60, beat))


async def test_a_revoked_agent_does_not_enrol_again() -> None:
    doors = Doors()
    doors.server.script = lambda _: answer(401, "unknown_agent" if len(doors.server.calls) < 2 else "agent_revoked")
    with pytest.raises(RevokedError):
        await in_virtual_time(lambda: doors.lived(60, beat))
    assert doors.enrolments == []
