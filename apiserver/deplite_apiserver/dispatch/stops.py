"""Jobs that the server ended while an agent ran them: told again at each connect, for the first time may be lost."""

from collections import OrderedDict
from datetime import datetime, timedelta

from deplite.protocol.phases import Reason
from deplite_apiserver.dispatch.streams import AgentKey
from deplite_apiserver.jobs.view import LiveJob

KEPT = timedelta(hours=24)
MAX_AN_AGENT = 200


class Stops:
    """What agents are to stop; telling one that has stopped already is harmless."""

    def __init__(self) -> None:
        self._jobs: dict[AgentKey, OrderedDict[str, tuple[LiveJob, Reason, datetime]]] = {}

    def note(self, job: LiveJob, reason: Reason, now: datetime) -> None:
        """Remember a job as it was before its end, and why it ended."""
        jobs = self._jobs.setdefault((job.namespace, job.agent), OrderedDict())
        jobs[job.uid] = (job, reason, now)
        while len(jobs) > MAX_AN_AGENT:
            jobs.popitem(last=False)

    def of(self, agent: AgentKey, now: datetime) -> list[tuple[LiveJob, Reason]]:
        """Return what an agent that connects is to stop."""
        jobs = self._jobs.get(agent, OrderedDict())
        while jobs and now - next(iter(jobs.values()))[2] > KEPT:
            jobs.popitem(last=False)
        return [(job, reason) for job, reason, _ in jobs.values()]

    def forget(self, agent: AgentKey) -> None:
        """Drop an agent that is no more."""
        self._jobs.pop(agent, None)
