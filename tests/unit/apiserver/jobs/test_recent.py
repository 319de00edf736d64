from typing import Any

from deplite.resources import DeployJob
from deplite_apiserver.jobs.recent import Recent
from tests.unit.apiserver.jobs.builders import NAMESPACE, job


def version(number: int, **status: Any) -> DeployJob:
    made = job(**status)
    return made.model_copy(update={"metadata": made.metadata.model_copy(update={"resource_version": str(number)})})


def test_news_that_comes_late_does_not_take_the_place_of_what_is_newer() -> None:
    recent = Recent()
    recent.put(version(9))
    recent.put(version(8))
    assert recent.take(NAMESPACE, job().name) == version(9)
    assert recent.take(NAMESPACE, job().name) is None


def test_a_job_that_ended_is_forgotten() -> None:
    recent = Recent()
    recent.put(version(9))
    recent.put(version(10, phase="Succeeded"))
    assert recent.take(NAMESPACE, job().name) is None


def test_the_oldest_goes_first() -> None:
    recent = Recent(most=1)
    other = version(9).model_copy(update={"metadata": version(9).metadata.model_copy(update={"name": "j-other"})})
    recent.put(version(9))
    recent.put(other)
    assert recent.take(NAMESPACE, job().name) is None
    assert recent.take(NAMESPACE, "j-other") == other
