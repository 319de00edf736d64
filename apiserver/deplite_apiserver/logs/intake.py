"""From an agent's batch to stored lines, and from stored lines to a page."""

from collections.abc import Callable, Sequence
from typing import Any

from deplite_apiserver.jobs.steps import Steps
from deplite_apiserver.jobs.view import JobView
from deplite_apiserver.limits.flow import Flow, Flows
from deplite_apiserver.logs.bounds import Bounds
from deplite_apiserver.logs.lines import LogLine, line
from deplite_apiserver.logs.schemas import LogBatch
from deplite_apiserver.settings import Settings
from deplite_apiserver.storage.logstore import LogStore
from deplite_apiserver.storage.pieces import LogName

FOLLOWED_FLUSH_MS = 1000
"""How soon an agent is asked to send lines that somebody waits for."""

_BURST_SECONDS = 20
"""An agent that was cut off may send as many requests at once as in so many seconds otherwise."""


def bounds_of(settings: Settings) -> Bounds:
    """Return how long the log of one job may become."""
    return Bounds(size=settings.max_log_bytes, lines=settings.max_log_lines)


def log_flows(settings: Settings, monotonic: Callable[[], float]) -> Flows:
    """Return how fast each agent may send log lines: requests, and bytes of their bodies."""
    requests = settings.log_requests_per_second
    return Flows(
        monotonic,
        Flow(scope="agent_log_requests", rate=requests, burst=requests * _BURST_SECONDS),
        Flow(scope="agent_log_bytes", rate=settings.log_bytes_per_second, burst=settings.log_burst_bytes),
    )


async def take(store: LogStore, steps: Steps, job: JobView, batch: LogBatch) -> dict[str, Any]:
    """Store a batch, and return the answer: how many lines were new, and whether to send the next ones sooner.

    What a log that was cut has no room for is `dropped`: it is not stored, and sending it again would change nothing.
    The step that the last lines belong to is noted.

    Raises:
        ValidationFailedError: a line is too long.
        StorageUnavailableError: nothing is promised.
    """
    batch.check()
    name = LogName(organization=job.namespace, storage_key=job.storage_key)
    lines = [
        line(seq=item.seq, stream=item.stream, content=item.content, step_name=item.step_name, level=item.level)
        for item in batch.items
    ]
    taken = await store.append(name, lines)
    steps.note(job, _newest_step(batch))
    answer: dict[str, Any] = {"accepted": taken.accepted} | ({"dropped": taken.dropped} if taken.dropped else {})
    return answer | {"flushMs": FOLLOWED_FLUSH_MS} if store.followed(name) else answer


def _newest_step(batch: LogBatch) -> str | None:
    newest = max((item for item in batch.items if item.step_name), key=lambda item: item.seq, default=None)
    return None if newest is None else newest.step_name


def page(lines: Sequence[LogLine], from_seq: int) -> dict[str, Any]:
    """Return a page of a log; `nextSeq` is where the next one begins."""
    return {"items": list(lines), "nextSeq": lines[-1]["seq"] + 1 if lines else from_seq}
