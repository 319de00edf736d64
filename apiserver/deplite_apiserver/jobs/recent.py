"""Jobs as this replica last wrote them: the next write needs no read first, and compare-and-swap says if it did."""

from collections import OrderedDict

from deplite.resources.deployjob import DeployJob

MOST = 1024
"""Jobs that are remembered, about 10 KB each; the oldest goes first."""


class Recent:
    """The last written jobs that have not ended."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._jobs: OrderedDict[tuple[str, str], DeployJob] = OrderedDict()

    def put(self, job: DeployJob) -> None:
        """Remember a job, unless a newer version of it is known; one that ended is forgotten."""
        known = self._jobs.pop(job.key, None)
        if known is not None and _version(known) > _version(job):
            job = known
        if job.status.phase.finished:
            return
        self._jobs[job.key] = job
        if len(self._jobs) > self._most:
            self._jobs.popitem(last=False)

    def take(self, namespace: str, name: str) -> DeployJob | None:
        """Return a job and forget it: after a conflict it would be of no use."""
        return self._jobs.pop((namespace, name), None)


def _version(job: DeployJob) -> int:
    return int(job.metadata.resource_version or 0)
