"""Places of runs of which nobody knows for the moment whether they were stored."""

import pytest

from deplite.kube.errors import ForbiddenError, KubeError, UnavailableError
from deplite.resources import DeployJob
from deplite_apiserver.errors import RateLimitedError
from deplite_apiserver.jobs.run import Run
from deplite_apiserver.jobs.unsettled import MOST, SETTLE_SECONDS, Unsettled
from deplite_apiserver.limits.limiter import Reservation
from tests.unit.apiserver.clocks import StillClock
from tests.unit.apiserver.jobs.builders import NAMESPACE, job
from tests.unit.apiserver.jobs.test_keys import BODIES, LIMIT, Cluster, Keys


class Troubled(Cluster):
    """Stores what it is given, or not, and then fails in some way."""

    def __init__(self) -> None:
        super().__init__()
        self.error: KubeError | None = None
        self.stores = True
        self.lost: list[DeployJob] = []
        self.closed: str | None = None
        """A namespace whose jobs nobody may read."""

    async def create(self, resource: DeployJob) -> DeployJob:
        stores = self.stores or self.error is None
        made = await super().create(resource) if stores else resource
        if not stores:
            self.lost.append(resource)
        if self.error is not None:
            raise self.error
        return made

    async def get(self, kind: type[DeployJob], namespace: str, name: str) -> DeployJob:
        if self.error is not None:
            raise self.error
        if namespace == self.closed:
            raise ForbiddenError("no", status=403)
        return await super().get(kind, namespace, name)


class Scene(Keys):
    """A process whose cluster is in trouble."""

    def __init__(self) -> None:
        super().__init__()
        self.troubled = Troubled()
        self.cluster = self.troubled
        self.starts()

    async def runs_once(self, key: str) -> Run:
        return await self.call("deploy", "ci", key, BODIES[0][0])

    async def left(self) -> int:
        """Return how many runs more are let through, once the cluster is well."""
        self.troubled.error = None
        for number in range(LIMIT + 1):
            try:
                await self.runs_once(f"left-{number}")
            except RateLimitedError:
                return number
        raise AssertionError("nothing limits it")

    async def fails(self, status: int, *, stores: bool, times: int = 1) -> None:
        """Run with one key while creates fail."""
        self.troubled.error = UnavailableError("trouble", status=status, retry_after=1)
        self.troubled.stores = stores
        for _ in range(times):
            with pytest.raises(KubeError):
                await self.runs_once("the-key")


@pytest.mark.parametrize("status", [0, 500, 503, 504])
async def test_a_run_that_was_stored_without_a_good_answer_keeps_its_place(status: int) -> None:
    scene = Scene()
    await scene.fails(status, stores=True)
    scene.troubled.error = None
    scene.clock.advance(SETTLE_SECONDS)
    await scene.unsettled.look()
    assert await scene.left() == LIMIT - 1


@pytest.mark.parametrize("status", [0, 503])
async def test_one_that_was_not_gives_it_back_once_that_is_known(status: int) -> None:
    scene = Scene()
    await scene.fails(status, stores=False, times=LIMIT)
    await scene.unsettled.look()  # too early
    scene.clock.advance(SETTLE_SECONDS)
    await scene.unsettled.look()  # the cluster does not tell
    scene.troubled.error = None
    with pytest.raises(RateLimitedError):
        await scene.runs_once("another-key")
    await scene.unsettled.look()
    with pytest.raises(RateLimitedError):
        await scene.runs_once("another-key")  # not there once is no proof
    scene.clock.advance(SETTLE_SECONDS)
    await scene.unsettled.look()
    assert await scene.left() == LIMIT


async def test_a_create_that_is_stored_after_the_first_look_keeps_its_place() -> None:
    scene = Scene()
    await scene.fails(0, stores=False)
    scene.troubled.error = None
    scene.clock.advance(SETTLE_SECONDS)
    await scene.unsettled.look()
    await scene.troubled.create(scene.troubled.lost[0])
    scene.clock.advance(SETTLE_SECONDS)
    await scene.unsettled.look()
    assert await scene.left() == LIMIT - 1


async def test_an_organization_that_may_not_be_read_holds_up_no_other() -> None:
    scene = Scene()
    scene.unsettled.hold(("org-gone", "j-lost"), Reservation(counted=(("key", "day", 0),)))
    await scene.fails(0, stores=False)
    scene.troubled.error, scene.troubled.closed = None, "org-gone"
    for _ in range(2):
        scene.clock.advance(SETTLE_SECONDS)
        await scene.unsettled.look()
    assert await scene.left() == LIMIT


async def test_a_refusal_gives_it_back_at_once() -> None:
    scene = Scene()
    await scene.fails(429, stores=False, times=LIMIT + 1)
    assert await scene.left() == LIMIT


async def test_a_repeat_that_makes_the_job_counts_once() -> None:
    scene = Scene()
    await scene.fails(503, stores=False)
    scene.troubled.error = None
    assert not (await scene.runs_once("the-key")).idempotent
    assert await scene.left() == LIMIT - 1


async def test_of_several_creates_of_one_name_one_was_stored_at_most() -> None:
    clock, cluster = StillClock(), Cluster()
    given: list[Reservation] = []

    async def give_back(place: Reservation) -> None:
        given.append(place)

    unsettled = Unsettled(store=cluster, give_back=give_back, monotonic=clock.monotonic)
    places = [Reservation(counted=(("key", "day", number),)) for number in range(3)]
    for place in places:
        unsettled.hold(job().key, place)
    cluster.jobs[job().name] = job()
    clock.advance(SETTLE_SECONDS)
    await unsettled.look()
    assert given == places[1:]
    await unsettled.created(job().key)
    assert given == places[1:]


async def test_only_so_many_are_looked_after_and_none_that_nothing_limits() -> None:
    scene = Scene()
    for number in range(MOST + 1):
        scene.unsettled.hold((NAMESPACE, f"j-{number}"), Reservation(counted=(("key", "day", 0),)))
        scene.unsettled.hold((NAMESPACE, f"free-{number}"), Reservation(counted=()))
    scene.clock.advance(SETTLE_SECONDS)
    await scene.unsettled.look()
    assert scene.cluster.asked == MOST
