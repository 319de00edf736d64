"""From an agent's batch to stored lines, and from stored lines to a page."""

from collections.abc import Sequence
from typing import Any

from deplite_apiserver.jobs.view import JobView
from deplite_apiserver.logs.lines import LogLine, line
from deplite_apiserver.logs.schemas import LogBatch
from deplite_apiserver.storage.logstore import LogStore
from deplite_apiserver.storage.pieces import LogName

FOLLOWED_FLUSH_MS = 1000
"""How soon an agent is asked to send lines that somebody waits for."""


async def take(store: LogStore, job: JobView, batch: LogBatch) -> dict[str, Any]:
    """Store a batch, and return the answer: how many lines were new, and whether to send the next ones sooner.

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
    answer: dict[str, Any] = {"accepted": await store.append(name, lines)}
    return answer | {"flushMs": FOLLOWED_FLUSH_MS} if store.followed(name) else answer


def page(lines: Sequence[LogLine], from_seq: int) -> dict[str, Any]:
    """Return a page of a log; `nextSeq` is where the next one begins."""
    return {"items": list(lines), "nextSeq": lines[-1]["seq"] + 1 if lines else from_seq}
