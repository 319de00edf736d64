"""A replica that holds too many streams closes a few, of agents whom that disturbs least, and looks again."""

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import pytest

from deplite.kube.cache import Cache
from deplite.kube.client import KubeClient
from deplite.resources import DeployJob
from deplite_apiserver.dispatch.balance import (
    FEW,
    MOST,
    MOST_SHARE,
    SETTLED_SECONDS,
    SHARE,
    STEADY_SECONDS,
    TRIES,
    Balance,
    Effort,
    Steady,
    at_once,
    surplus,
)
from deplite_apiserver.dispatch.streams import AgentKey, Stream, StreamEvent, Streams
from deplite_apiserver.jobs.view import JobView, project
from deplite_apiserver.metrics.metrics import Metrics
from deplite_apiserver.shared.others import Known
from tests.unit.apiserver.clocks import StillClock
from tests.unit.apiserver.jobs.builders import NAMESPACE, UID, job

STREAM_AGE = SETTLED_SECONDS + 100


@pytest.mark.parametrize(
    ("mine", "others", "moved"),
    [
        (40, [], 0),  # nobody else is there
        (0, [40], 0),
        (20, [20], 0),
        (23, [17], 0),  # chance does that
        (24, [16], MOST),
        (40, [0], MOST),
        (4, [0, 0], 0),
        (6, [0, 0], MOST),
        (1100, [900], 0),
        (1101, [899], 22),
        (5000, [0], 100),
        (5000, [0, 0, 5000], 100),
    ],
)
def test_what_is_clearly_more_than_the_average_is_moved_a_little_at_a_time(
    mine: int, others: list[int], moved: int
) -> None:
    assert at_once(surplus(mine, others), mine) == moved


def simulated(held: list[int], land: Callable[[int], int]) -> tuple[list[int], int]:
    """Let replicas close streams until none does any more.

    Args:
        held: what each has; changed.
        land: returns where a stream of a replica lands that was closed there.

    Returns:
        What each has in the end, and how many were closed in all.
    """
    efforts, total = [Effort() for _ in held], 0
    for _ in range(10_000):
        closing = []
        for number, mine in enumerate(held):
            others = {str(other): load for other, load in enumerate(held) if other != number}
            wanted = surplus(mine, others.values())
            goes_on = wanted and efforts[number].worth(others, wanted)
            closing.append(at_once(wanted, mine) if goes_on else 0)
        if not any(closing):
            return held, total
        for number, count in enumerate(closing):
            efforts[number].closed(count)
            total += count
            held[number] -= count
            for _ in range(count):
                held[land(number)] += 1
    raise AssertionError(f"it never comes to rest: {held}")


LOADS = [[40, 0], [1000, 0], [500, 500, 0], [9, 0, 0], [300, 200, 100, 0]]


@pytest.mark.parametrize("loads", LOADS)
@pytest.mark.parametrize("seed", range(20))
def test_with_streams_that_land_anywhere_it_comes_to_rest(loads: list[int], seed: int) -> None:
    chance = random.Random(seed)
    held, _ = simulated(list(loads), lambda _: chance.randrange(len(loads)))
    average = sum(loads) / len(loads)
    assert sum(held) == sum(loads)
    assert max(held) <= average + max(FEW, SHARE * average)


@pytest.mark.parametrize("loads", LOADS)
def test_where_streams_always_come_back_it_gives_up(loads: list[int]) -> None:
    held, total = simulated(list(loads), lambda number: number)
    assert held == loads
    wanted = sum(surplus(mine, [*loads[:number], *loads[number + 1 :]]) for number, mine in enumerate(loads))
    assert total <= TRIES * wanted + len(loads) * MOST_SHARE * sum(loads) + len(loads) * MOST


def test_it_is_tried_again_once_other_replicas_are_there() -> None:
    effort = Effort()
    assert effort.worth(["a"], 10)
    effort.closed(TRIES * 10)
    assert not effort.worth(["a"], 10)
    assert not effort.worth(["a"], 1)
    assert effort.worth(["b"], 10)
    effort.closed(TRIES * 10)
    assert effort.worth(["b"], 5)  # half of it is gone: it helps
    assert not effort.vain


def test_it_must_have_been_so_for_a_while_and_among_the_same_replicas() -> None:
    clock = StillClock()
    steady = Steady(clock.monotonic)
    assert not steady.uneven(["a"])
    clock.advance(STEADY_SECONDS)
    assert steady.uneven(["a"])
    assert not steady.uneven(["a", "b"])  # another one came
    clock.advance(STEADY_SECONDS)
    assert steady.uneven(["b", "a"])
    steady.even()
    assert not steady.uneven(["a", "b"])


class Scene:
    """A replica with ten streams, beside one without any."""

    def __init__(self) -> None:
        self.clock, self.streams, self.takes = StillClock(), Streams(Metrics()), True
        self.jobs: Cache[JobView] = Cache(
            cast(KubeClient, None),
            DeployJob,
            project,
            indexes={"agent": lambda view: (view.namespace, view.agent) if hasattr(view, "agent") else None},
        )
        self.others: dict[str, int] = {"b": 0}
        self.opened: dict[AgentKey, Stream] = {}
        self.ages: dict[AgentKey, float] = {}
        for number in range(10):
            agent = (NAMESPACE, f"a{number}")
            self.opened[agent] = self.streams.open(agent, "ag-x", None)
            self.ages[agent] = STREAM_AGE + number
        self.balance = Balance(
            streams=self.streams,
            known=self.known,
            others=self,
            jobs=self.jobs,
            takes=lambda: self.takes,
            monotonic=self.clock.monotonic,
        )

    def loads(self) -> Mapping[str, int]:
        return self.others

    def known(self) -> Iterator[Known]:
        for agent, age in self.ages.items():
            yield Known(agent=agent, contact_age=0.0, stream_age=age if self.streams.of(agent) else None)

    def has(self, number: int, name: str, *, spec: dict[str, Any] | None = None, **status: Any) -> None:
        """Give an agent a job."""
        made = job(spec={"agent": f"a{number}"} | (spec or {}), **status)
        metadata = made.metadata.model_copy(update={"name": name, "uid": UID[:-4] + name[-4:]})
        self.jobs.note(made.model_copy(update={"metadata": metadata}))

    def settled(self) -> "Scene":
        """Have it been uneven for long."""
        assert self.balance.round() == 0
        self.clock.advance(STEADY_SECONDS)
        return self

    @property
    def closed(self) -> set[int]:
        return {int(agent[1][1:]) for agent, stream in self.opened.items() if stream.closed}


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_the_oldest_are_moved_once_it_is_due(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        assert scene.settled().balance.round() == MOST
    assert scene.closed == {5, 6, 7, 8, 9}
    assert "5 streams of 10 are to move; the other replicas hold 0" in caplog.text


def test_agents_without_jobs_go_first_and_none_that_was_sent_a_job_it_has_not_claimed(scene: Scene) -> None:
    """A client that never claims would be sent it again."""
    scene.has(9, "j-0009")
    scene.has(8, "j-0008", phase="Running")
    scene.has(7, "j-0007", spec={"concurrencyGroup": "prod", "concurrencyPlace": 1})  # it was sent to nobody
    for number in (0, 1, 2):
        scene.has(number, f"j-000{number}")
    assert scene.settled().balance.round() == MOST
    assert scene.closed == {3, 4, 5, 6, 8}


def test_those_that_run_a_job_are_moved_where_there_are_no_others(scene: Scene) -> None:
    for number in range(10):
        scene.has(number, f"j-000{number}", **({"phase": "Running"} if number < 3 else {}))
    assert scene.settled().balance.round() == 3
    assert scene.closed == {0, 1, 2}


def test_young_streams_and_such_with_something_to_send_stay(scene: Scene) -> None:
    for number in range(4, 10):
        scene.ages[NAMESPACE, f"a{number}"] = SETTLED_SECONDS - 1
    scene.opened[NAMESPACE, "a3"].send(StreamEvent(event="ping", data={}))
    assert scene.settled().balance.round() == 3
    assert scene.closed == {0, 1, 2}


@pytest.mark.parametrize("others", [{}, {"b": 10}, {"b": 8}])
def test_alone_or_among_equals_it_moves_none(scene: Scene, others: dict[str, int]) -> None:
    scene.others = others
    for _ in range(10):
        assert scene.balance.round() == 0
        scene.clock.advance(STEADY_SECONDS)


def test_who_takes_no_streams_itself_moves_none(scene: Scene) -> None:
    scene.takes = False
    assert scene.settled().balance.round() == 0
    scene.takes = True
    assert scene.balance.round() == 0  # from now on
    scene.clock.advance(STEADY_SECONDS)
    assert scene.balance.round() == MOST


def test_a_replica_to_which_all_come_back_says_so_once_and_leaves_them_alone(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.settled()
    rounds = 0
    with caplog.at_level("WARNING"):
        while moved := scene.balance.round():
            assert moved == MOST
            for agent in [agent for agent, stream in scene.opened.items() if stream.closed]:
                scene.opened[agent] = scene.streams.open(agent, "ag-x", None)
            rounds += 1
        for _ in range(5):
            assert scene.balance.round() == 0
    assert rounds == TRIES * 10 // MOST
    assert caplog.text.count("come back to this replica") == 1
    scene.others = {"c": 0}
    assert scene.settled().balance.round() == MOST
