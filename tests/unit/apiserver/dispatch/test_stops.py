"""What an agent that connects is told to stop: what was ended while it ran it, for a day."""

from dataclasses import replace
from datetime import timedelta

from deplite.protocol.phases import Reason
from deplite_apiserver.dispatch.stops import KEPT, MAX_AN_AGENT, Stops
from tests.unit.apiserver.jobs.builders import NOW, live

LOST, TIMEOUT = Reason.AGENT_LOST, Reason.TIMEOUT


def test_it_is_told_at_each_connect_until_it_is_old() -> None:
    job, stops = live(phase="Running"), Stops()
    key = (job.namespace, job.agent)
    stops.note(job, LOST, NOW)
    assert stops.of(key, NOW) == stops.of(key, NOW + KEPT) == [(job, LOST)]
    assert stops.of(key, NOW + KEPT + timedelta(seconds=1)) == []
    assert stops.of(("org-other", job.agent), NOW) == []


def test_an_agent_that_is_gone_is_forgotten() -> None:
    job, stops = live(phase="Running"), Stops()
    stops.note(job, TIMEOUT, NOW)
    stops.forget((job.namespace, job.agent))
    assert stops.of((job.namespace, job.agent), NOW) == []


def test_the_newest_are_kept() -> None:
    first, stops = live(phase="Running"), Stops()
    jobs = [replace(first, uid=f"uid-{number}") for number in range(MAX_AN_AGENT + 1)]
    for job in jobs:
        stops.note(job, LOST, NOW)
    assert [job.uid for job, _ in stops.of((first.namespace, first.agent), NOW)] == [job.uid for job in jobs[1:]]
