"""What an agent is said to be, and when that is written."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from deplite.kube.errors import NotFoundError, UnavailableError
from deplite.resources import Agent
from deplite.resources.resource import Resource, utc
from deplite_apiserver.dispatch.hearing import Hearing
from deplite_apiserver.dispatch.presence import (
    DISCONNECTED_SECONDS,
    MARGIN_SECONDS,
    SILENT_SECONDS,
    TOLD_SECONDS,
    Presence,
    state_of,
)
from deplite_apiserver.dispatch.streams import AgentKey, Streams
from deplite_apiserver.metrics.metrics import Metrics
from deplite_apiserver.shared.others import Known, Others
from tests.unit.apiserver.clocks import StillClock
from tests.unit.apiserver.jobs.builders import NAMESPACE, agent

KEY = (NAMESPACE, "web")


@pytest.mark.parametrize(
    ("has_stream", "silence", "alone", "state"),
    [
        (True, 0, 0, "Connected"),
        (True, SILENT_SECONDS - 1, 0, "Connected"),
        (True, SILENT_SECONDS, 0, "Disconnected"),
        (False, 0, DISCONNECTED_SECONDS - 1, "Connected"),
        (False, 0, DISCONNECTED_SECONDS, "Disconnected"),
        (False, SILENT_SECONDS, 0, "Disconnected"),
    ],
)
def test_table(has_stream: bool, silence: float, alone: float, state: str) -> None:
    assert state_of(has_stream=has_stream, silence=silence, alone=alone) == state


class Store:
    def __init__(self) -> None:
        self.error: Exception | None = None
        self.written: list[dict[str, Any]] = []

    async def patch_status(
        self, kind: type[Agent], namespace: str, name: str, body: Mapping[str, Any], *, version: str | None = None
    ) -> Agent:
        if self.error is not None:
            raise self.error
        self.written.append(dict(body))
        return agent(**body)


class Scene:
    """A presence with everything around it, and time that passes while we listen."""

    def __init__(self) -> None:
        self.clock, self.store, self.streams = StillClock(), Store(), Streams(Metrics())
        self.noted: list[Resource] = []
        self.hearing = Hearing(self.clock.monotonic)
        self.presence = Presence(
            store=self.store,
            streams=self.streams,
            hearing=self.hearing,
            monotonic=self.clock.monotonic,
            now=self.clock.now,
            note=self.noted.append,
        )

    def listen(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.advance(1)
            self.hearing.tick(0.0)

    async def settle(self, **status: Any) -> None:
        await self.presence.settle(agent(**{"state": "Connected"} | status))


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_an_open_stream_is_connected_and_written_once(scene: Scene) -> None:
    scene.streams.open(KEY, "ag-x", None)
    await scene.settle(state="Pending")
    assert scene.store.written == [{"state": "Connected", "lastSeenAt": utc(scene.clock.now())}]
    assert len(scene.noted) == 1
    scene.listen(20)
    await scene.settle()
    assert len(scene.store.written) == 1


async def test_a_blink_is_not_written_and_half_a_minute_is(scene: Scene) -> None:
    for _ in range(3):
        stream = scene.streams.open(KEY, "ag-x", None)
        scene.listen(5)
        scene.streams.close(stream)
        scene.listen(int(DISCONNECTED_SECONDS) - 1)
        await scene.settle()
    assert scene.store.written == []
    seen = utc(scene.clock.now())
    scene.presence.touch(KEY)
    scene.listen(1)
    await scene.settle()
    assert scene.store.written == [{"state": "Disconnected", "lastSeenAt": seen}]


async def test_an_open_stream_of_a_silent_agent_is_disconnected_and_a_call_connects_it_again(scene: Scene) -> None:
    scene.streams.open(KEY, "ag-x", None)
    scene.listen(int(SILENT_SECONDS))
    assert not scene.presence.connected(KEY)
    await scene.settle()
    assert scene.store.written[0]["state"] == "Disconnected"
    scene.presence.touch(KEY)
    await scene.settle(state="Disconnected")
    assert scene.store.written[1]["state"] == "Connected"


async def test_after_a_start_nobody_is_disconnected_before_half_a_minute(scene: Scene) -> None:
    scene.listen(int(DISCONNECTED_SECONDS) - 1)
    await scene.settle()
    assert scene.store.written == []
    scene.listen(1)
    await scene.settle()
    assert scene.store.written == [{"state": "Disconnected"}]  # when it was seen, the one before us has written


@pytest.mark.parametrize(
    ("status", "spec"),
    [({"state": "Pending"}, {}), ({"state": "Revoked"}, {}), ({"state": "Connected"}, {"revoked": True})],
)
async def test_who_never_came_and_who_was_revoked_is_left_alone(
    scene: Scene, status: dict[str, Any], spec: dict[str, Any]
) -> None:
    scene.listen(1000)
    await scene.presence.settle(agent(spec=spec, **status))
    assert scene.store.written == []


@pytest.mark.parametrize("error", [UnavailableError("away", retry_after=1), NotFoundError("gone")])
async def test_a_write_that_fails_ends_nothing(scene: Scene, error: Exception) -> None:
    scene.streams.open(KEY, "ag-x", None)
    scene.store.error = error
    await scene.settle(state="Pending")
    scene.store.error = None
    await scene.settle(state="Pending")
    assert [one["state"] for one in scene.store.written] == ["Connected"]


async def test_an_agent_that_is_forgotten_was_never_seen(scene: Scene) -> None:
    scene.presence.touch(KEY)
    scene.listen(10)
    assert (scene.presence.last_seen(KEY) is not None, scene.presence.silence(KEY)) == (True, 10)
    scene.presence.forget(KEY)
    assert scene.presence.last_seen(KEY) is None


async def test_a_stream_that_opens_is_written_at_once(scene: Scene) -> None:
    running = asyncio.create_task(scene.presence.run(lambda *key: agent(state="Disconnected")))
    scene.streams.open(KEY, "ag-x", None)
    async with asyncio.timeout(60):
        while not scene.store.written:
            await asyncio.sleep(0)
    running.cancel()
    assert scene.store.written[0]["state"] == "Connected"


class Told(Others):
    """What another replica is made to say."""

    def __init__(self) -> None:
        self.at: dict[str, float | None] = {"contact": None, "since": None, "streamed": None}
        self.said: list[tuple[Any, ...]] = []

    def contact(self, agent: AgentKey) -> float | None:
        return self.at["contact"]

    def stream_since(self, agent: AgentKey) -> float | None:
        return self.at["since"]

    def streamed_at(self, agent: AgentKey) -> float | None:
        return self.at["streamed"]

    def opened(self, agent: AgentKey, instance: str | None, *, again: bool) -> None:
        self.said.append(("opened", agent, instance, again))

    def closed(self, agent: AgentKey) -> None:
        self.said.append(("closed", agent))


@pytest.fixture
def others(scene: Scene) -> Told:
    scene.presence._others = told = Told()
    return told


async def test_a_stream_at_another_replica_is_one(scene: Scene, others: Told) -> None:
    others.at = {"contact": 0.0, "since": 0.0, "streamed": 0.0}
    scene.listen(100)
    assert scene.presence.connected(KEY)
    assert scene.presence.silence(KEY) == 100
    await scene.settle()
    assert scene.store.written == []
    others.at = {"contact": 100.0, "since": None, "streamed": 100.0}  # it went there
    scene.listen(int(DISCONNECTED_SECONDS) - 1)
    await scene.settle()
    assert scene.store.written == []
    scene.listen(1)
    await scene.settle()
    assert scene.store.written == [
        {"state": "Disconnected", "lastSeenAt": utc(scene.clock.now() - timedelta(seconds=30))}
    ]


async def test_the_last_contact_with_anybody_counts(scene: Scene, others: Told) -> None:
    scene.presence.touch(KEY)
    scene.listen(50)
    others.at["contact"] = 20.0
    assert scene.presence.silence(KEY) == 30
    scene.presence.touch(KEY)
    assert scene.presence.silence(KEY) == 0


async def test_the_others_are_told_of_streams_and_contacts(scene: Scene, others: Told) -> None:
    scene.presence.touch(("org-a", "db"))
    scene.listen(10)
    stream = scene.streams.open(KEY, "ag-x", "one")
    scene.listen(5)
    assert list(scene.presence.known()) == [
        Known(agent=("org-a", "db"), contact_age=15, stream_age=None),
        Known(agent=KEY, contact_age=5, stream_age=5),
    ]
    scene.streams.close(stream)
    assert others.said == [("opened", KEY, "one", False), ("closed", KEY)]
    scene.listen(int(TOLD_SECONDS))
    assert list(scene.presence.known()) == []


async def test_a_replica_that_is_about_to_end_takes_no_stream_from_another(scene: Scene, others: Told) -> None:
    scene.streams.stop()
    scene.streams.open(KEY, "ag-x", None)
    assert others.said == []


async def test_a_stream_yields_to_one_that_is_surely_newer(scene: Scene, others: Told) -> None:
    scene.listen(10)
    stream = scene.streams.open(KEY, "ag-x", None)
    for since in (None, 5.0, 10.0, 10.0 + MARGIN_SECONDS):
        others.at["since"] = since
        scene.presence.yield_streams()
        assert not stream.closed
    others.at["since"] = 10.1 + MARGIN_SECONDS
    scene.presence.yield_streams()
    assert stream.closed
