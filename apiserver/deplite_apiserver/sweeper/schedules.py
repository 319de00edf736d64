"""Fires scheduled triggers, while this replica holds the Lease; the only writer of a trigger's `status.schedule`.

A job's name is made of (trigger, `schedule`, fire time), and the status goes on to the next fire time only afterwards:
whoever is killed in between, or still believes in a Lease that is lost, fires the same job, which is there already.

What is due is tended in batches of a few of each organization, organizations by turns and several triggers at a time,
and what becomes due meanwhile is in the next batch: thousands of schedules of one organization hold up no other.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol, TypeVar

from deplite.kube.cache import Cache
from deplite.kube.errors import ConflictError, KubeError, NotFoundError, UnavailableError
from deplite.resources.agent import Agent
from deplite.resources.deployjob import DeployJob, Requester
from deplite.resources.resource import Resource, utc
from deplite.resources.trigger import Trigger
from deplite_apiserver.errors import ApiError
from deplite_apiserver.jobs.accept import Facts
from deplite_apiserver.jobs.foretold import VERDICTS
from deplite_apiserver.jobs.request import RunRequest
from deplite_apiserver.jobs.run import Asked, Call, Run, name_of
from deplite_apiserver.sweeper.fires import Fire, Skip, due, pending, planned, settled
from deplite_apiserver.sweeper.rota import by_turns
from deplite_apiserver.sweeper.unhurried import unhurried

log = logging.getLogger(__name__)

CALLER = "schedule"
"""Who asks for the runs of a schedule: the caller's part of their jobs' names."""
AT_ONCE = 8
"""Triggers that are tended at the same time."""
OF_EACH = 50
"""Triggers of one organization in a batch."""

Key = tuple[str, str]
"""Namespace and name."""
Kind = TypeVar("Kind", bound=Resource)


class Held(Protocol):
    """What is needed of a Lease."""

    @property
    def held(self) -> bool:
        """Whether nobody else can hold it now."""


class Store(Protocol):
    """What is needed of `KubeClient`."""

    async def get(self, kind: type[Kind], namespace: str, name: str) -> Kind:
        """Return an object."""

    async def patch_status(
        self, kind: type[Trigger], namespace: str, name: str, body: Mapping[str, Any], *, version: str | None = None
    ) -> Trigger:
        """Merge into the trigger's status, where its version is the present one."""


class Starts(Protocol):
    """What is needed of `Runs`."""

    async def start(self, call: Call) -> Run:
        """Start a run, or find the one that the same request has started."""


class Schedules:
    """The schedules of all organizations."""

    def __init__(
        self,
        *,
        lease: Held,
        store: Store,
        triggers: Cache[Trigger],
        agents: Cache[Agent],
        runs: Starts,
        now: Callable[[], datetime],
    ) -> None:
        """Make the duty; `round` does it.

        Args:
            lease: must be held whenever something fires.
            store: where triggers are read and their status is written.
            triggers: the cache of triggers.
            agents: the cache of agents.
            runs: accepts runs, by the rules of all runs.
            now: the present moment in UTC.
        """
        self._lease, self._store, self._triggers, self._agents = lease, store, triggers, agents
        self._runs, self._now = runs, now
        self._failed: set[Key] = set()
        """Those for which the API server failed the last time: they come after all others."""

    async def round(self) -> None:
        """Fire what is due, and keep every status true.

        Raises:
            UnavailableError: the API server failed, and was left alone after that; what is left is for the next round.
        """
        tended: set[Key] = set()
        away: list[UnavailableError] = []
        # The first one alone: while the API server is away, it is all that it is asked for.
        batch = (await self._batch(tended, most=1))[:1]
        while batch and not away:
            tended.update(trigger.key for trigger in batch)
            line = iter(batch)
            async with asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(self._work(line, away))
            batch = await self._batch(tended, most=OF_EACH)
        if away:
            raise away[0]

    async def _batch(self, tended: set[Key], *, most: int) -> list[Trigger]:
        """Return whom to tend next: of each organization those that were due first, organizations by turns."""
        now = self._now()
        scheduled = self._triggers.by("scheduled", True)
        found = [one async for one in unhurried(scheduled) if one.key not in tended and pending(one, now)]
        self._failed.intersection_update(one.key for one in scheduled)
        ordered = by_turns(sorted(found, key=self._order), most)
        return sorted(ordered, key=lambda trigger: trigger.key in self._failed)

    def _order(self, trigger: Trigger) -> tuple[bool, float]:
        """Return the place of a trigger among those of its organization."""
        schedule = trigger.status.schedule
        since = schedule.next_fire_at if schedule is not None else None
        return trigger.key in self._failed, since.timestamp() if since is not None else math.inf

    async def _work(self, line: Iterator[Trigger], away: list[UnavailableError]) -> None:
        for trigger in line:
            if away:
                return
            try:
                await self._tend(trigger)
            except UnavailableError as error:
                self._failed.add(trigger.key)
                away.append(error)
                return
            except (ConflictError, NotFoundError):
                pass  # it was changed or deleted at this moment: the next round sees how it is now
            except Exception as error:  # whatever it is, this one has to wait; the others have not
                unforeseen = None if isinstance(error, KubeError | ApiError) else error
                extra = {"action": "schedule_failed"}
                log.warning("trigger %s: %s", trigger.name, error, exc_info=unforeseen, extra=extra)
            self._failed.discard(trigger.key)

    async def _tend(self, trigger: Trigger) -> None:
        now = self._now()
        if not self._lease.held or not pending(trigger, now):
            return
        # The copy here may lag: what was suspended, changed or fired a moment ago must not fire.
        trigger = await self._store.get(Trigger, *trigger.key)
        outcome = due(trigger, now)
        if isinstance(outcome, Fire):
            outcome = await self._fire(trigger, outcome, now)
        wanted = planned(trigger, now) if outcome is None else settled(trigger, outcome, now)
        if wanted != trigger.status.schedule:
            body = {"schedule": None if wanted is None else wanted.whole()}
            version = trigger.metadata.resource_version
            trigger = await self._store.patch_status(Trigger, *trigger.key, body, version=version)
        self._triggers.note(trigger)

    async def _fire(self, trigger: Trigger, fire: Fire, now: datetime) -> Fire | Skip:
        call = self._call(trigger, utc(fire.at), now)
        try:
            await self._runs.start(call)
        except VERDICTS as error:
            if await self._has_run(call):
                return fire
            log.info("trigger %s did not fire: %s", trigger.name, error.code, extra={"action": "schedule_refused"})
            return Skip(at=fire.at, code=error.code, message=error.message)
        return fire

    def _call(self, trigger: Trigger, fire_time: str, now: datetime) -> Call:
        facts = Facts(
            trigger=trigger,
            agent=self._agents.get(trigger.namespace, trigger.spec.agent),
            requester=Requester(kind="schedule", id=CALLER, name=fire_time),
            grants=None,
            manual=True,
            asked_at=now,
        )
        # The body is the fire time alone: a trigger that is changed meanwhile makes no other request of it.
        asked = Asked(request=RunRequest(), key=fire_time, body={"fireTime": fire_time})
        return Call(facts=facts, token=None, read=lambda: asked)

    async def _has_run(self, call: Call) -> bool:
        """Whether the job is there: a predecessor may have been killed before it could write so."""
        try:
            await self._store.get(DeployJob, call.facts.trigger.namespace, name_of(call.facts, call.read()).job_id)
        except NotFoundError:
            return False
        return True
