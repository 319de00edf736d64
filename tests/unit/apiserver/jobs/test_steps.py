import json
from datetime import timedelta
from typing import Any

from deplite_apiserver.jobs.steps import JobKey, Step, Steps, key_of
from deplite_apiserver.jobs.view import JobView, project
from deplite_apiserver.shared.bells import Callback, NoBells
from tests.unit.apiserver.jobs.builders import NOW, job_body

SLACK = {"notify": {"slack": {"channel": "C024BE91L"}}}


def view(name: str = "j-a", *, spec: dict[str, Any] = SLACK, **status: Any) -> JobView:
    body = job_body(spec=spec, **status)
    return project(body | {"metadata": body["metadata"] | {"name": name}})


def test_a_step_is_told_of_once_and_has_its_beginning() -> None:
    moments = iter(NOW + timedelta(seconds=passed) for passed in range(10))
    steps, told = Steps(lambda: next(moments), NoBells()), list[JobKey]()
    steps.subscribe(told.append)
    job = view()
    for name in ("build", "build", None, "", "deploy", "deploy"):
        steps.note(job, name)
    assert told == [key_of(job)] * 2
    assert steps.of(key_of(job)) == Step(name="deploy", since=NOW + timedelta(seconds=1))
    steps.forget(key_of(job))
    assert steps.of(key_of(job)) is None


class Room:
    """Bells of replicas that hear each other at once."""

    def __init__(self) -> None:
        self.callbacks: list[tuple[Ears, str, Callback]] = []
        self.rung = 0


class Ears:
    """The bells of one of them."""

    def __init__(self, room: Room) -> None:
        self._room = room

    def ring(self, topic: str, payload: Any) -> None:
        self._room.rung += 1
        for ears, known, callback in self._room.callbacks:
            if ears is not self and known == topic:
                callback(json.loads(json.dumps(payload)))

    def subscribe(self, topic: str, callback: Callback) -> None:
        self._room.callbacks.append((self, topic, callback))


def test_a_step_is_known_to_all_replicas_and_each_change_is_told_once() -> None:
    room, told = Room(), list[JobKey]()
    one, other = Steps(lambda: NOW, Ears(room)), Steps(lambda: NOW, Ears(room))
    other.subscribe(told.append)
    job = view()
    for steps, name in ((one, "build"), (one, "build"), (other, "build"), (other, "deploy"), (one, "deploy")):
        steps.note(job, name)
    assert one.of(key_of(job)) == other.of(key_of(job)) == Step(name="deploy", since=NOW)
    assert (room.rung, told) == (2, [key_of(job)] * 2)
    one.note(view("j-b", spec={}), "build")
    one.note(job, None)
    assert room.rung == 2


def test_jobs_that_no_card_follows_are_not_remembered() -> None:
    steps = Steps(lambda: NOW, NoBells())
    for job in (view(spec={}), view(phase="Succeeded", finishedAt="2026-05-31T13:44:53Z")):
        steps.note(job, "build")
        assert steps.of(key_of(job)) is None


def test_the_memory_is_bounded() -> None:
    steps = Steps(lambda: NOW, NoBells(), most=2)
    jobs = [view(name) for name in ("j-a", "j-b", "j-c")]
    for job in jobs:
        steps.note(job, "build")
    assert [steps.of(key_of(job)) is not None for job in jobs] == [False, True, True]
