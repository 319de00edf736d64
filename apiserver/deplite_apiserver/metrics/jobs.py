"""How long jobs wait and run. The cluster's own times are whole seconds: waiting is measured from hearing of a job."""

from collections.abc import Callable

from deplite.kube.cache import Cache, Change
from deplite.resources.deployjob import DeployJob
from deplite_apiserver.jobs.view import JobView, LiveJob
from deplite_apiserver.metrics.metrics import Metrics


class JobMeter:
    """Told of each job that comes into the cache, and of each write of a status here."""

    def __init__(self, metrics: Metrics, jobs: Cache[JobView], monotonic: Callable[[], float]) -> None:
        """Make it, and have it hear of jobs.

        Args:
            metrics: where to.
            jobs: the cache of jobs.
            monotonic: seconds of a clock that never goes back.
        """
        self._metrics, self._jobs, self._monotonic = metrics, jobs, monotonic
        self._heard: dict[str, float] = {}
        """When unfinished jobs were heard of, by their uids; the watch may tell of a claim before its own answer."""
        jobs.subscribe(self._changed)

    def moved(self, before: DeployJob, after: DeployJob) -> None:
        """Note what a write of ours has done to a job."""
        status = after.status
        if before.status.phase is status.phase:
            return
        if not status.phase.finished:
            if (since := self._heard.pop(after.metadata.uid, None)) is not None:
                self._metrics.claimed(self._monotonic() - since)
            return
        seconds = None
        if status.started_at is not None and status.finished_at is not None:
            seconds = (status.finished_at - status.started_at).total_seconds()
        self._metrics.ended(status.phase, status.reason, seconds)

    def _changed(self, change: Change[JobView]) -> None:
        match change:
            case Change(old=LiveJob() as old, new=new):
                if not isinstance(new, LiveJob):
                    self._heard.pop(old.uid, None)
            case Change(old=None, new=LiveJob(queued=True) as new) if self._jobs.synced:
                self._heard[new.uid] = self._monotonic()  # those of the first list came at nobody knows when
