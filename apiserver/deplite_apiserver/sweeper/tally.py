"""Counts runs for the triggers' status, and writes each trigger's numbers at most once a minute.

The first write after a quiet time waits a few seconds: a short job is then shown with its end at once.

Every replica counts, and the one that holds the Lease writes. What counts as written is what the trigger shows, whoever
wrote it: so a replica that takes over writes what its predecessor had not, and nothing twice.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from deplite.kube.cache import Cache, Change
from deplite.kube.errors import ConflictError, KubeError, NotFoundError, UnavailableError
from deplite.protocol.phases import Phase
from deplite.resources.resource import utc
from deplite.resources.trigger import Trigger, TriggerStatus
from deplite_apiserver.jobs.view import JobView

log = logging.getLogger(__name__)

SETTLE_SECONDS = 4.0
APART_SECONDS = 60.0

Key = tuple[str, str]


@dataclass(kw_only=True)
class _Count:
    """What one trigger does not show yet."""

    runs: int = 0
    succeeded: int = 0
    failed: int = 0
    last: JobView | None = None
    dirty_since: float | None = None
    written_at: float = float("-inf")

    def less(self, old: TriggerStatus, new: TriggerStatus) -> None:
        """Take off what a trigger shows by now."""
        self.runs -= min(self.runs, max(new.runs - old.runs, 0))
        self.succeeded -= min(self.succeeded, max(new.succeeded - old.succeeded, 0))
        self.failed -= min(self.failed, max(new.failed - old.failed, 0))
        shown = self.last is None or (_name(self.last), self.last.phase.value) == (new.last_job, new.last_job_phase)
        if shown and not (self.runs or self.succeeded or self.failed):
            self.dirty_since = None


class TriggerStore(Protocol):
    """What is needed of `KubeClient`."""

    async def patch_status(
        self, kind: type[Trigger], namespace: str, name: str, body: Mapping[str, Any], *, version: str | None = None
    ) -> Trigger:
        """Merge into the trigger's status."""


class Tally:
    """Counters of triggers; the only writer of `lastJob…`, `runs`, `succeeded` and `failed`."""

    def __init__(
        self,
        *,
        store: TriggerStore,
        jobs: Cache[JobView],
        triggers: Cache[Trigger],
        monotonic: Callable[[], float],
    ) -> None:
        self._store, self._jobs, self._triggers, self._monotonic = store, jobs, triggers, monotonic
        self._counts: dict[Key, _Count] = {}
        jobs.subscribe(self._changed)
        triggers.subscribe(self._shown)

    async def flush(self, *, all_of_them: bool = False) -> None:
        """Write what is due; with `all_of_them` whatever is not written, because the process is about to end."""
        now = self._monotonic()
        for key, count in list(self._counts.items()):
            due = count.dirty_since is not None and (all_of_them or _due(count, now))
            if due and not await self._write(key, count):
                return

    async def _write(self, key: Key, count: _Count) -> bool:
        """Write one trigger's counts; False: the Kubernetes API is away, and need not be asked for the others."""
        trigger = self._triggers.get(*key)
        if trigger is None:
            del self._counts[key]
            return True
        version = trigger.metadata.resource_version
        try:
            self._triggers.note(await self._store.patch_status(Trigger, *key, _body(trigger, count), version=version))
            count.written_at = self._monotonic()
        except NotFoundError:
            self._counts.pop(key, None)
        except ConflictError:  # somebody else wrote to it just now: what to add to is about to be known
            count.dirty_since = self._monotonic()
        except KubeError as error:
            count.dirty_since = self._monotonic()
            log.warning("counts of a trigger not written: %s", error, extra={"action": "tally_failed"})
            return not isinstance(error, UnavailableError)
        return True

    def _shown(self, change: Change[Trigger]) -> None:
        old, new = change.old, change.new
        if new is None or (old is not None and old.metadata.uid != new.metadata.uid):
            self._counts.pop(change.key, None)
        elif old is not None and (count := self._counts.get(change.key)) is not None:
            count.less(old.status, new.status)

    def _changed(self, change: Change[JobView]) -> None:
        old, new = change.old, change.new
        if new is None or new.trigger is None or not self._jobs.synced:
            return
        if old is not None and old.uid8 == new.uid8 and old.phase is new.phase:
            return
        count = self._counts.setdefault((new.namespace, new.trigger), _Count())
        if old is None or old.uid8 != new.uid8:
            count.runs += 1
        if new.finished:
            count.succeeded += new.phase is Phase.SUCCEEDED
            count.failed += new.phase is Phase.FAILED
        if count.last is None or _age(new) >= _age(count.last):
            count.last = new
        if count.dirty_since is None:
            count.dirty_since = self._monotonic()


def _due(count: _Count, now: float) -> bool:
    began = count.dirty_since if count.dirty_since is not None else now
    return now - began >= SETTLE_SECONDS and now - count.written_at >= APART_SECONDS


def _name(job: JobView) -> str:
    return job.name[:64]


def _age(job: JobView) -> tuple[datetime, str]:
    return job.created_at, job.name


def _body(trigger: Trigger, count: _Count) -> dict[str, Any]:
    body: dict[str, Any] = {
        "runs": trigger.status.runs + count.runs,
        "succeeded": trigger.status.succeeded + count.succeeded,
        "failed": trigger.status.failed + count.failed,
    }
    if count.last is not None:
        body |= {
            "lastJob": _name(count.last),
            "lastJobPhase": count.last.phase.value,
            "lastJobAt": utc(count.last.created_at),
        }
    return body
