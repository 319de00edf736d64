"""Which unclaimed jobs were sent, and when first."""

from deplite_apiserver.dispatch.sent import Sent
from deplite_apiserver.jobs.view import LiveJob, project
from tests.unit.apiserver.clocks import StillClock
from tests.unit.apiserver.jobs.builders import job_body, live


def test_the_first_sending_counts() -> None:
    clock = StillClock()
    sent = Sent(clock.monotonic)
    assert sent.age(live()) is None
    sent.note(live())
    clock.advance(5)
    sent.note(live())
    assert sent.age(live()) == 5
    sent.forget(live())
    sent.forget(live())
    assert sent.age(live()) is None


def test_a_newer_object_of_the_name_was_not_sent() -> None:
    body = job_body()
    newer = project(body | {"metadata": body["metadata"] | {"uid": "ffffffff-0000-4000-8000-000000000001"}})
    assert isinstance(newer, LiveJob)
    sent = Sent(StillClock().monotonic)
    sent.note(live())
    assert sent.age(newer) is None
