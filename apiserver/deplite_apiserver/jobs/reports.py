"""Takes what agents report of their jobs: claims and results, and the claim that first log lines are."""

from collections.abc import Callable
from datetime import datetime, timedelta

from deplite.kube.errors import ConflictError as StaleError
from deplite.kube.errors import NotFoundError as KubeNotFoundError
from deplite_apiserver.auth.callers import AgentCaller
from deplite_apiserver.errors import ConflictError, GoneError, NotFoundError, UnavailableError
from deplite_apiserver.jobs.lookup import Lookup
from deplite_apiserver.jobs.result import ResultReport, event_of
from deplite_apiserver.jobs.transition import Claimed, Event, Transitions, Verdict
from deplite_apiserver.jobs.view import JobView, LiveJob

_CONFLICTS = {
    Verdict.ALREADY_CLAIMED: "Another process of this agent has claimed the job; do not run it.",
    Verdict.JOB_FINISHED: "The job has ended; do not run it.",
    Verdict.JOB_WAITING: "Older jobs of its concurrency group come first; do not run it before it is sent again.",
    Verdict.RESULT_CONFLICT: "The job ended with another result; that one stays.",
}


class Reports:
    """Leads jobs on by what their agents say."""

    def __init__(self, *, lookup: Lookup, transitions: Transitions, now: Callable[[], datetime]) -> None:
        self._lookup, self._transitions, self._now = lookup, transitions, now

    async def result(
        self, caller: AgentCaller, job_id: str, uid: str | None, report: ResultReport, ago: timedelta = timedelta()
    ) -> int:
        """Take a claim or a result, and return the status of the answer: 204, or 202 for a late result.

        Args:
            caller: the agent.
            job_id: the job's id.
            uid: the job's uid, where the agent says it.
            report: the body.
            ago: how long ago the job ended.

        Raises:
            ApiError: 404 for a job that is not the agent's, 409 and 410 as the conflict codes say, 503 where others
                wrote to the job again and again: to an agent, a 409 would be the last word.
        """
        job = await self._lookup.of_agent(caller.agent.namespace, caller.agent.name, job_id, uid)
        event = event_of(report, instance=caller.instance, at=self._now(), ago=ago, pod=caller.pod)
        verdict = await self._apply(job, event)
        return 202 if verdict is Verdict.LATE else 204

    async def job_of_logs(self, caller: AgentCaller, job_id: str, uid: str | None) -> JobView:
        """Return the job that an agent sends log lines of; a queued one is claimed by that.

        Raises:
            ApiError: as `result`.
        """
        job = await self._lookup.of_agent(caller.agent.namespace, caller.agent.name, job_id, uid)
        if isinstance(job, LiveJob):
            if job.queued:
                claim = Claimed(instance=caller.instance, at=self._now(), pod=caller.pod, implied=True)
                await self._apply(job, claim)
            elif job.instance != caller.instance or job.pod not in (None, caller.pod):
                raise ConflictError(_CONFLICTS[Verdict.ALREADY_CLAIMED], code=Verdict.ALREADY_CLAIMED.value)
        return job

    async def _apply(self, job: JobView, event: Event) -> Verdict:
        try:
            verdict = await self._transitions.apply(job.namespace, job.name, event, uid=job.uid8)
        except KubeNotFoundError:
            raise NotFoundError from None
        except StaleError:
            raise UnavailableError(retry_after=1) from None
        if verdict is Verdict.GONE:
            raise GoneError
        if verdict in _CONFLICTS:
            raise ConflictError(_CONFLICTS[verdict], code=verdict.value)
        return verdict
