"""What is sent to whom, when: driven by caches that are told what there is."""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deplite.kube.cache import Cache
from deplite.kube.client import KubeClient
from deplite.kube.errors import NotFoundError, UnavailableError
from deplite.resources import Agent, DeployJob, Trigger
from deplite_apiserver.dispatch.dispatcher import Dispatcher
from deplite_apiserver.dispatch.sent import Sent
from deplite_apiserver.dispatch.streams import Stream, Streams
from deplite_apiserver.jobs.transition import Transitions
from deplite_apiserver.jobs.view import INDEXES, JobView, LiveJob, project
from deplite_apiserver.metrics.metrics import Metrics
from tests.unit.apiserver.clocks import StillClock
from tests.unit.apiserver.jobs.builders import NAMESPACE, agent, job_body, trigger

KEY = Ed25519PrivateKey.generate()
NOBODY = cast(KubeClient, None)
WEB = (NAMESPACE, "web")
ENDED = {"finishedAt": "2026-05-31T13:44:53Z"}
RUNNING = {"phase": "Running", "startedAt": "2026-05-31T13:42:19Z"}


class Keys:
    """The server's keys, of which one is gone."""

    def get(self, key_id: str | None) -> Ed25519PrivateKey | None:
        return None if key_id == "gone" else KEY


class Store:
    """One job; whatever becomes of it is written down."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self.written: list[dict[str, Any]] = []
        self.moved = asyncio.Event()

    async def get(self, kind: type[DeployJob], namespace: str, name: str) -> DeployJob:
        self.moved.set()
        if self.errors:
            raise self.errors.pop(0)
        return DeployJob.model_validate(job_body())

    async def patch_status(
        self, kind: type[DeployJob], namespace: str, name: str, body: Mapping[str, Any], *, version: str | None = None
    ) -> DeployJob:
        self.written.append(dict(body))
        self.moved.set()
        shown = job_body()
        return DeployJob.model_validate(shown | {"status": shown["status"] | dict(body)})


class Scene:
    """A dispatcher, its agent and its trigger."""

    def __init__(self) -> None:
        self.clock, self.store, self.streams = StillClock(), Store(), Streams(Metrics())
        self.sent, self.told = Sent(self.clock.monotonic), Sent(self.clock.monotonic)
        self.jobs: Cache[JobView] = Cache(NOBODY, DeployJob, project, indexes=INDEXES)
        self.agents: Cache[Agent] = Cache(NOBODY, Agent, Agent.model_validate)
        self.triggers: Cache[Trigger] = Cache(NOBODY, Trigger, Trigger.model_validate)
        self.news: list[tuple[Cache[Any], dict[str, Any]]] = []
        """What the API server has, and the caches have not heard of."""
        self.deaf: list[Exception] = []
        """What it says instead of an object."""
        self.reread_times = 0
        self.version = 100
        self.dispatcher = Dispatcher(
            jobs=self.jobs,
            agents=self.agents,
            triggers=self.triggers,
            streams=self.streams,
            sent=self.sent,
            told=self.told,
            keys=Keys(),
            transitions=Transitions(self.store, lambda _: None),
            reread=self.reread,
            now=self.clock.now,
            retry_seconds=0.0,
        )
        self.note(self.agents, agent().wire())
        self.note(self.triggers, trigger().wire())

    async def reread(self, cache: Cache[Any], key: tuple[str, str], uid: str) -> None:
        self.reread_times += 1
        if self.deaf:
            raise self.deaf.pop()
        for one, body in self.news:
            if one is cache:
                self.note(one, body)

    def note(self, cache: Cache[Any], body: dict[str, Any]) -> None:
        self.version += 1
        cache.note(body | {"metadata": body["metadata"] | {"resourceVersion": str(self.version)}})

    def job(self, *, spec: dict[str, Any] | None = None, **status: Any) -> LiveJob | None:
        """Have the watch bring a state of the job."""
        self.note(self.jobs, job_body(spec=spec, **status))
        view = self.jobs.by("id", job_body()["metadata"]["name"])[0]
        return view if isinstance(view, LiveJob) else None

    def connects(self) -> Stream:
        return self.streams.open(WEB, "ag-x", None)


async def drained(stream: Stream) -> list[str]:
    """End a stream, and return what it was sent: `deploy`, or `cancel <reason>`."""
    stream.close()
    return [
        " ".join([one.event, *([one.data["reason"]] if one.event == "cancel" else [])]) async for one in stream.events()
    ]


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_job_is_sent_at_once_or_on_connecting_and_once_a_stream(scene: Scene) -> None:
    queued = scene.job()
    assert queued is not None
    assert scene.sent.age(queued) is None
    stream = scene.connects()
    scene.job()
    assert scene.sent.age(queued) == 0
    assert await drained(stream) == ["deploy"]
    assert await drained(scene.connects()) == ["deploy"]
    scene.job(**RUNNING)
    assert await drained(scene.connects()) == []


@pytest.mark.parametrize(
    "there", [agent(spec={"revoked": True}), agent(serverKeyId="gone")], ids=["revoked", "its key is gone"]
)
async def test_who_cannot_be_told_is_sent_nothing(scene: Scene, there: Agent) -> None:
    stream = scene.connects()
    scene.note(scene.agents, there.wire())
    queued = scene.job()
    assert queued is not None
    assert scene.sent.age(queued) is None
    assert "deploy" not in await drained(stream)


async def test_an_agent_that_is_not_known_yet_is_sent_its_jobs_at_the_next_connect(scene: Scene) -> None:
    scene.agents.forget(*WEB)
    scene.job()
    assert await drained(scene.connects()) == []
    scene.note(scene.agents, agent().wire())
    assert await drained(scene.connects()) == ["deploy"]


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ({"phase": "Failed", "reason": "timeout"}, ["cancel timeout"]),
        ({"phase": "Failed", "reason": "agent_lost"}, ["cancel agent_lost"]),
        ({"phase": "Failed", "reason": "exit_code"}, []),
        ({"phase": "Succeeded"}, []),
    ],
)
async def test_an_end_of_ours_is_told_and_one_of_its_own_is_not(
    scene: Scene, end: dict[str, Any], told: list[str]
) -> None:
    scene.job(**RUNNING)
    stream = scene.connects()
    scene.job(**end, **ENDED)
    assert await drained(stream) == told
    assert await drained(scene.connects()) == told


async def test_a_job_that_nobody_was_sent_ends_without_a_word(scene: Scene) -> None:
    scene.job()
    scene.job(phase="Failed", reason="cancelled", **ENDED)
    assert await drained(scene.connects()) == []


async def test_a_job_that_is_deleted_is_stopped_and_forgotten(scene: Scene) -> None:
    stream = scene.connects()
    queued = scene.job()
    assert queued is not None
    scene.jobs.forget(NAMESPACE, queued.name)
    assert await drained(stream) == ["deploy", "cancel cancelled"]
    assert scene.sent.age(queued) is None


async def test_a_claim_that_wins_against_a_cancel_is_told_to_stop(scene: Scene) -> None:
    stream = scene.connects()
    scene.job()
    cancel = {"cancel": {"by": "ops", "reason": "superseded"}}
    scene.job(spec=cancel)
    running = scene.job(spec=cancel, **RUNNING)
    assert running is not None
    assert scene.told.age(running) == 0
    assert await drained(stream) == ["deploy", "cancel superseded"]


async def written(scene: Scene) -> list[dict[str, Any]]:
    running = asyncio.create_task(scene.dispatcher.run())
    async with asyncio.timeout(60):
        while not scene.store.written:
            scene.store.moved.clear()
            await scene.store.moved.wait()
    running.cancel()
    return scene.store.written


@pytest.mark.parametrize("failures", [0, 3])
async def test_what_must_not_be_sent_is_rejected_as_soon_as_the_cluster_takes_it(scene: Scene, failures: int) -> None:
    scene.store.errors = [UnavailableError("away", retry_after=1)] * failures
    stream = scene.connects()
    scene.job(spec={"ref": "-rf"})
    [end] = await written(scene)
    assert (end["phase"], end["reason"]) == ("Failed", "rejected")
    assert "not a valid git ref" in end["message"]
    assert await drained(stream) == []


@pytest.mark.parametrize("late", ["agent", "trigger"])
async def test_what_only_old_news_speaks_against_is_sent(scene: Scene, late: str) -> None:
    now = {"agent": (scene.agents, agent().wire()), "trigger": (scene.triggers, trigger().wire())}[late]
    if late == "agent":
        scene.note(scene.agents, agent(workflows=[]).wire())
    else:
        scene.note(scene.triggers, trigger(suspended=True).wire())
    scene.news.append(now)
    scene.deaf = [UnavailableError("away", retry_after=1)] * 3
    stream = scene.connects()
    queued = scene.job()
    assert queued is not None
    assert scene.sent.age(queued) is None
    running = asyncio.create_task(scene.dispatcher.run())
    async with asyncio.timeout(10):
        while scene.sent.age(queued) is None:
            await asyncio.sleep(0)
    running.cancel()
    assert scene.store.written == []
    assert await drained(stream) == ["deploy"]


async def test_what_is_rejected_is_told_why_by_what_is_true_now_and_read_once_for_all(scene: Scene) -> None:
    scene.note(scene.agents, agent(spec={"suspended": True}).wire())
    scene.news += [(scene.agents, agent().wire()), (scene.triggers, trigger(suspended=True).wire())]
    scene.connects()
    for number in range(5):
        body = job_body()
        scene.note(scene.jobs, body | {"metadata": body["metadata"] | {"name": f"j-{number}"}})
    running = asyncio.create_task(scene.dispatcher.run())
    async with asyncio.timeout(10):
        while len(scene.store.written) < 5:
            await asyncio.sleep(0)
    running.cancel()
    assert {end["message"] for end in scene.store.written} == {"The trigger is suspended; resume it and run again."}
    assert scene.reread_times == 2


async def test_a_job_that_is_gone_holds_up_nobody(scene: Scene) -> None:
    scene.store.errors = [NotFoundError("gone")]
    scene.connects()
    scene.job(spec={"ref": "-rf"})
    scene.job(spec={"cancel": {"by": "ops"}})
    [end] = await written(scene)
    assert end["reason"] == "cancelled"


async def test_a_queued_job_that_is_cancelled_ends_though_its_agent_is_away(scene: Scene) -> None:
    scene.job()
    scene.job(spec={"cancel": {"by": "ops"}})
    [end] = await written(scene)
    assert (end["phase"], end["reason"]) == ("Failed", "cancelled")


async def test_a_revoked_agent_is_told_and_a_deleted_one_stops_its_jobs(scene: Scene) -> None:
    stream = scene.connects()
    scene.note(scene.agents, agent(spec={"revoked": True}).wire())
    assert stream.closed
    assert await drained(stream) == ["revoke"]
    scene.note(scene.agents, agent().wire())
    scene.job(**RUNNING)
    other = scene.connects()
    scene.agents.forget(*WEB)
    assert other.closed
    assert await drained(other) == ["cancel agent_revoked"]


async def test_an_agent_that_is_made_again_before_anybody_saw_it_gone_stops_its_jobs(scene: Scene) -> None:
    scene.job(**RUNNING)
    stream = scene.connects()
    again = agent().wire()
    scene.note(scene.agents, again | {"metadata": again["metadata"] | {"uid": "another"}})
    assert stream.closed
    assert await drained(stream) == ["cancel agent_revoked"]


async def test_an_agent_that_enrolled_again_loses_the_stream_of_its_old_key_and_no_other(scene: Scene) -> None:
    scene.note(scene.agents, agent(publicKey="old").wire())
    stream = scene.connects()
    scene.note(scene.agents, agent(publicKey="old", state="Connected").wire())
    assert not stream.closed
    scene.note(scene.agents, agent(publicKey="new").wire())
    assert stream.closed
    scene.job()
    assert await drained(stream) == []
    assert await drained(scene.connects()) == ["deploy"]


async def test_who_was_revoked_while_its_stream_was_being_opened_is_told_and_sent_nothing_else(scene: Scene) -> None:
    scene.note(scene.agents, agent(spec={"revoked": True}).wire())
    scene.job()
    stream = scene.connects()
    assert stream.closed
    assert await drained(stream) == ["revoke"]
    scene.agents.forget(*WEB)
    assert scene.connects().closed


async def test_a_refresh_is_for_agents_that_are_connected_here(scene: Scene) -> None:
    assert not scene.dispatcher.refresh_workflows(WEB)
    stream = scene.connects()
    assert scene.dispatcher.refresh_workflows(WEB)
    assert await drained(stream) == ["sync_workflows"]
