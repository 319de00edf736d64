"""Which step a running job was last heard of in, by the lines of its log.

In memory, of jobs that a card shows. The replica that takes the lines tells the others: any of them may be asked how
the job stands, and the holder of the sweeper's Lease keeps its card. A word that gets lost costs one step's name.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deplite.resources.deployjob import DeployJob
from deplite_apiserver.jobs.view import JobView
from deplite_apiserver.shared.bells import Bells

MOST = 4096
"""Jobs that are remembered; who began the step the longest ago goes first."""

STEP = "step"
"""Rung with a job's key and the name of the step that it came to."""

JobKey = tuple[str, str, str]
"""Namespace, name, and the first 8 characters of the uid."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A step, and when the first line of it came."""

    name: str
    since: datetime


class Steps:
    """The last seen step of each job, at whichever replica."""

    def __init__(self, now: Callable[[], datetime], bells: Bells, most: int = MOST) -> None:
        """Make an empty memory.

        Args:
            now: the present moment in UTC.
            bells: reach the other replicas.
            most: how many jobs are remembered.
        """
        self._now, self._bells, self._most = now, bells, most
        bells.subscribe(STEP, self._hear)
        self._steps: OrderedDict[JobKey, Step] = OrderedDict()
        self._subscribers: list[Callable[[JobKey], None]] = []

    def subscribe(self, callback: Callable[[JobKey], None]) -> None:
        """Call back when a job comes to another step; synchronous, cheap."""
        self._subscribers.append(callback)

    def note(self, job: JobView, name: str | None) -> None:
        """Take note of the step that the newest line of a job belongs to, if it says one.

        Args:
            job: the job; one that no card follows, or that has ended, is of no interest.
            name: the step.
        """
        if not name or job.finished or job.notice is None:
            return
        key = key_of(job)
        if self._put(key, name):
            self._bells.ring(STEP, [*key, name])

    def _hear(self, said: Any) -> None:
        namespace, job, uid8, name = said
        self._put((namespace, job, uid8), name)

    def _put(self, key: JobKey, name: str) -> bool:
        known = self._steps.get(key)
        if known is not None and known.name == name:
            return False
        self._steps[key] = Step(name=name, since=self._now())
        self._steps.move_to_end(key)
        if len(self._steps) > self._most:
            self._steps.popitem(last=False)
        for callback in self._subscribers:
            callback(key)
        return True

    def of(self, key: JobKey) -> Step | None:
        """Return the step of a job."""
        return self._steps.get(key)

    def forget(self, key: JobKey) -> None:
        """Forget a job that ended."""
        self._steps.pop(key, None)


def key_of(job: JobView | DeployJob) -> JobKey:
    """Return what tells one very job."""
    return job.namespace, job.name, job.metadata.uid[:8] if isinstance(job, DeployJob) else job.uid8
