"""What ends an agent ends it while it drains, too: steps stop as soon as it is not the agent any more."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deplite.protocol.envelope import seal
from deplite.protocol.keys import public_pem
from deplite_agent.errors import ReenrolledError, ReplacedError, RevokedError
from deplite_agent.identity import Enrolled, Identity, StateFolder
from deplite_agent.jobs.journal import Journal, State
from deplite_agent.process import Process
from deplite_agent.settings import load_settings
from tests.unit.agent.builders import PATIENCE, one_step, runs, text_of, until, write_workflow
from tests.unit.agent.server import Call, Server, answer

SERVER_KEY = Ed25519PrivateKey.generate()
ME = Enrolled(agent_id="ag-1", organization_id="org-1", server_public_key=public_pem(SERVER_KEY.public_key()))
NEVER = 1000
"""Seconds longer than any test."""


@dataclass(kw_only=True)
class Work:
    """An agent at work on one job, whose step has no end; it drains where the test says so."""

    folder: Path
    draining: bool
    server: Server = field(default_factory=Server)
    refusals: dict[str, Callable[[], httpx.Response]] = field(default_factory=dict)
    """What the server answers from now on to calls whose path ends so."""
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    signed_seconds: float = 0.1
    running: "asyncio.Task[None] | None" = None
    _events: "asyncio.Queue[str | None]" = field(default_factory=asyncio.Queue)
    _nonces: int = 0

    def __post_init__(self) -> None:
        self.server.script = self._answer
        self.server.flush_ms = 50
        self.state = StateFolder(self.folder)
        self.state.open()

    @property
    def pid(self) -> str:
        """The process of the step."""
        return text_of(self.folder / "pid")

    @property
    def journal(self) -> Journal:
        found = Journal.read(self.folder / "jobs" / "j-1-u1")
        assert found is not None
        return found

    async def begin(self, **settings: str) -> None:
        """Start it, give it the job, and have it drain if it shall."""
        script = f"echo $$ > {self.folder}/pid\ntrap '' TERM\nwhile :; do echo tick; sleep 0.05; done"
        write_workflow(self.folder, one_step(script))
        given = {
            "DEPLITE_URL": "http://server/v1",
            "DEPLITE_WORKFLOWS_DIR": str(self.folder / "workflows"),
            "DEPLITE_DRAIN_SECONDS": str(NEVER),
            "DEPLITE_DELIVERY_SECONDS": str(NEVER),
            "DEPLITE_GRACE_SECONDS": "0",
            "DEPLITE_HEARTBEAT_SECONDS": "1",
            "DEPLITE_SCAN_SECONDS": "1",
        }
        client = httpx.AsyncClient(transport=httpx.MockTransport(self.server._handle))
        identity = Identity(key=self.state.key(), enrolled=ME)
        self.state.save(ME)
        self.process = Process(
            load_settings(given | settings),
            self.state,
            identity,
            "Hello",
            client=client,
            signed_seconds=self.signed_seconds,
        )
        self.running = asyncio.create_task(self.process.run(self.stop, self.hurry))
        self.send("deploy", seal(SERVER_KEY, self._payload(workflow_name="deploy")))
        await until(lambda: self.pid.endswith("\n"))
        if self.draining:
            self.stop.set()
            await until(lambda: self.process._desk._closing)

    def send(self, name: str, data: Any) -> None:
        """Put an event into the stream."""
        self._events.put_nowait(f"event: {name}\ndata: {json.dumps(data)}\n\n")

    def order(self, event: str, **said: Any) -> None:
        """Put an event into the stream that is signed."""
        self.send(event, {"signed": seal(SERVER_KEY, self._payload(event=event, **said))})

    def cut(self) -> None:
        """End the stream."""
        self._events.put_nowait(None)

    async def ended(self) -> None:
        """Wait for the end, and raise the error that it was."""
        assert self.running is not None
        await asyncio.wait([self.running], timeout=PATIENCE)
        assert self.running.done()
        self.running.result()

    def _payload(self, **said: Any) -> dict[str, Any]:
        self._nonces += 1
        fresh = {"agent_id": "ag-1", "issued_at": int(time.time()), "nonce": str(self._nonces)}
        return {"job_id": "j-1", "job_uid": "u1"} | fresh | said

    def _answer(self, call: Call) -> httpx.Response | None:
        for path, refusal in self.refusals.items():
            if call.path.endswith(path):
                return refusal()
        return httpx.Response(200, content=self._stream()) if call.path == "/agent/stream" else None

    async def _stream(self) -> AsyncIterator[bytes]:
        while (event := await self._events.get()) is not None:
            yield event.encode()


@pytest_asyncio.fixture(params=[False, True], ids=["at work", "draining"])
async def work(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Work]:
    made = Work(folder=tmp_path, draining=request.param)
    yield made
    made.stop.set()
    made.hurry.set()
    if made.running is not None:
        await asyncio.wait([made.running])


def revoked() -> httpx.Response:
    return answer(401, "agent_revoked")


async def test_a_signed_revoke_stops_the_steps_and_the_key_is_forgotten(work: Work) -> None:
    await work.begin()
    work.order("revoke")
    with pytest.raises(RevokedError, match="has forgotten its key"):
        await work.ended()
    assert not runs(work.pid)
    assert work.server.results[("j-1", "u1")]["reason"] == "agent_revoked"
    assert not (work.folder / "key.pem").exists()
    assert work.state.enrolled() is None


@pytest.mark.parametrize("call", ["/heartbeat", "/stream", "/report", "/logs"])
async def test_whichever_call_is_told_that_the_agent_was_revoked_ends_it(work: Work, call: str) -> None:
    await work.begin()
    work.refusals[call] = revoked
    if call == "/stream":
        work.cut()
    if call == "/report":
        write_workflow(work.folder, one_step("true"), "another")
    with pytest.raises(RevokedError, match="The server says that this agent was revoked"):
        await work.ended()
    assert not runs(work.pid)
    result = work.journal.life.result
    assert result is not None
    assert result.reason == "agent_revoked"
    assert work.state.enrolled() == ME  # nobody has signed that


@pytest.mark.parametrize("call", ["/heartbeat", "/logs"])
async def test_the_signed_revoke_may_come_a_little_later_than_the_first_refusal(work: Work, call: str) -> None:
    work.signed_seconds = NEVER
    await work.begin()
    work.refusals[call] = revoked
    await until(lambda: not runs(work.pid))
    assert (work.folder / "key.pem").exists()
    work.order("revoke")
    with pytest.raises(RevokedError, match="has forgotten its key"):
        await work.ended()
    assert not (work.folder / "key.pem").exists()
    assert work.state.enrolled() is None


async def test_told_twice_to_stop_it_does_not_wait_for_a_signed_revoke(work: Work) -> None:
    work.signed_seconds = NEVER
    await work.begin()
    work.refusals["/heartbeat"] = revoked
    await until(lambda: not runs(work.pid))
    work.stop.set()
    work.hurry.set()
    with pytest.raises(RevokedError, match="The server says that this agent was revoked"):
        await work.ended()


async def fail(seconds: float, delivery: float) -> None:
    raise OSError("the disk is sick")


async def test_a_revoked_agent_ends_as_one_whatever_fails_on_the_way(
    work: Work, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await work.begin()
    monkeypatch.setattr(work.process._desk, "drain", fail)
    work.order("revoke")
    with pytest.raises(RevokedError, match="has forgotten its key"):
        await work.ended()
    assert "the disk is sick" in caplog.text
    await until(lambda: not runs(work.pid))  # killed, and not waited for
    assert work.state.enrolled() is None


@pytest.mark.parametrize(
    ("enrolment", "error"),
    [
        (lambda: answer(409, "pod_replaced"), ReplacedError),
        (
            lambda: answer(201, agentId="ag-2", organizationId="org-1", serverPublicKey=ME.server_public_key),
            ReenrolledError,
        ),
    ],
    ids=["another pod", "another agent"],
)
async def test_who_is_not_the_agent_any_more_stops_the_steps(
    work: Work, enrolment: Callable[[], httpx.Response], error: type[Exception]
) -> None:
    (work.folder / "token").write_text("token")
    await work.begin(DEPLITE_TOKEN_FILE=str(work.folder / "token"))
    work.refusals |= {"/heartbeat": lambda: answer(401, "bad_signature"), "/enroll": enrolment}
    with pytest.raises(error):
        await work.ended()
    assert not runs(work.pid)
    result = work.journal.life.result
    assert result is not None
    assert (result.reason, result.message) == ("agent_crashed", "The agent lost its identity while the job ran.")
    assert (work.folder / "key.pem").exists()


async def test_a_replaced_agent_ends_as_one_whatever_fails_on_the_way(
    work: Work, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (work.folder / "token").write_text("token")
    await work.begin(DEPLITE_TOKEN_FILE=str(work.folder / "token"))
    monkeypatch.setattr(work.process._desk, "drain", fail)
    work.refusals |= {
        "/heartbeat": lambda: answer(401, "bad_signature"),
        "/enroll": lambda: answer(409, "pod_replaced"),
    }
    with pytest.raises(ReplacedError):
        await work.ended()
    assert "the disk is sick" in caplog.text
    await until(lambda: not runs(work.pid))  # killed, and not waited for


def fault() -> httpx.Response:
    raise KeyError("a fault of ours")


@pytest.mark.parametrize("work", [False], indirect=True, ids=["at work"])
async def test_a_loop_that_fails_ends_it(work: Work) -> None:
    await work.begin()
    work.refusals["/heartbeat"] = fault
    with pytest.raises(KeyError):
        await work.ended()
    assert not runs(work.pid)
    assert work.journal.life.state is State.STARTING  # the next process tells what became of it


@pytest.mark.parametrize("work", [True], indirect=True, ids=["draining"])
async def test_a_loop_that_fails_leaves_a_drain_its_time(work: Work, caplog: pytest.LogCaptureFixture) -> None:
    await work.begin()
    work.refusals["/heartbeat"] = fault
    await until(lambda: "a loop failed while the agent drains" in caplog.text)
    assert runs(work.pid)
    work.order("cancel", reason="cancelled")
    with pytest.raises(KeyError):
        await work.ended()
    assert work.server.results[("j-1", "u1")]["reason"] == "cancelled"


@pytest.mark.parametrize("work", [True], indirect=True, ids=["draining"])
async def test_who_is_revoked_ends_also_after_a_loop_has_failed(work: Work, caplog: pytest.LogCaptureFixture) -> None:
    await work.begin()
    work.refusals["/heartbeat"] = fault
    await until(lambda: "a loop failed while the agent drains" in caplog.text)
    work.order("revoke")
    with pytest.raises(RevokedError):
        await work.ended()
    assert not runs(work.pid)


async def test_a_cancel_reaches_its_job(work: Work) -> None:
    await work.begin()
    work.order("cancel", reason="cancelled")
    await until(lambda: work.server.results)
    work.stop.set()
    await work.ended()
    assert not runs(work.pid)
    assert work.server.results[("j-1", "u1")]["reason"] == "cancelled"


async def test_told_twice_to_stop_it_ends_at_once(work: Work) -> None:
    await work.begin(DEPLITE_GRACE_SECONDS=str(NEVER))
    work.stop.set()
    work.hurry.set()
    await work.ended()
    await until(lambda: not runs(work.pid))
    assert work.journal.life.state is State.STARTING
