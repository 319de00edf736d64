"""Keeps the cards in Slack up to date, beside all that deploys: nobody who accepts, claims or ends a job waits for it.

Only the replica that holds the sweeper's Lease sends. What is owed follows from the jobs themselves, so a successor, or
this process after a restart, takes up what is left. Each workspace has a sender of its own, so that one in trouble
holds up no other.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from deplite.kube.cache import Cache, Change
from deplite.kube.errors import ConflictError, KubeError, UnavailableError
from deplite.protocol.backoff import Backoff
from deplite.resources.slackinstallation import SlackInstallation
from deplite_apiserver.jobs.steps import JobKey, Steps, key_of
from deplite_apiserver.jobs.view import FinishedJob, JobView, LiveJob
from deplite_apiserver.slack.delivery import Delivery, is_stale
from deplite_apiserver.slack.errors import SlackError, SlackLimitedError, SlackUnavailableError
from deplite_apiserver.slack.installations import Installations
from deplite_apiserver.slack.outbox import Item, Outbox, Tempo, Urgency

log = logging.getLogger(__name__)

RESCAN_SECONDS = 60.0
"""Between two looks for cards that are owed and wait nowhere, e.g. because their channel was refused."""
GRACE_SECONDS = 4.0
"""How long the end waits for the one message under way, so that it is not posted again by whoever comes next.

A Lease that could not be renewed is nobody else's for five seconds more.
"""
LONGEST_PAUSE_SECONDS = 60.0
OVERLAP_SECONDS = 0.5
BEHIND = 100
BEHIND_SECONDS = 60.0
"""So many waiting cards are told of in the log, so often."""


@dataclass(kw_only=True)
class Line:
    """The cards of one workspace, and its sender."""

    name: str
    outbox: Outbox
    awake: asyncio.Event = field(default_factory=asyncio.Event)
    backoff: Backoff = field(default_factory=lambda: Backoff(first=1.0, most=LONGEST_PAUSE_SECONDS))
    told_at: float = float("-inf")


class Cards:
    """The cards of all workspaces."""

    def __init__(
        self,
        *,
        jobs: Cache[JobView],
        workspaces: Cache[SlackInstallation],
        installations: Installations,
        steps: Steps,
        delivery: Delivery,
        leads: Callable[[], bool],
        now: Callable[[], datetime],
        tempo: Tempo | None = None,
        rescan_seconds: float = RESCAN_SECONDS,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        """Watch the jobs; `run` sends.

        Args:
            jobs: the cache of jobs.
            workspaces: the cache of SlackInstallations.
            installations: which of them are connected.
            steps: which step each job is in.
            delivery: brings one card up to date.
            leads: whether the Lease is held.
            now: the present moment in UTC.
            tempo: how fast.
            rescan_seconds: between two looks for what is owed and waits nowhere.
            grace_seconds: how long the end waits for a message under way.
        """
        self._grace_seconds = grace_seconds
        self._jobs, self._installations, self._steps, self._delivery = jobs, installations, steps, delivery
        self._leads, self._now, self._tempo, self._rescan_seconds = leads, now, tempo, rescan_seconds
        self._lines: dict[str, Line] = {}
        self._group: asyncio.TaskGroup | None = None
        self._under_way: set[JobKey] = set()
        jobs.subscribe(self._job_changed)
        workspaces.subscribe(self._workspace_changed)
        steps.subscribe(self._stepped)

    async def run(self) -> None:
        """Send, while the Lease is held: whoever holds it starts this and cancels it."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                while True:
                    self._scan()
                    await asyncio.sleep(self._rescan_seconds)
            finally:
                self._group = None
                self._lines = {}

    def _scan(self) -> None:
        """Take up what is owed."""
        for job in sorted(self._jobs.by("notice", True), key=lambda job: job.created_at):
            if isinstance(job, LiveJob) and job.message is not None and job.message.phase is job.phase:
                continue
            if isinstance(job, FinishedJob) and is_stale(job.finished_at, self._now()):
                continue
            if self._has_place(job):
                self._put(job, _urgency(job))

    def _has_place(self, job: JobView) -> bool:
        """Whether it makes sense to try a card that could not be sent before."""
        notice = job.notice
        if notice is None or self._installations.the_one(job.namespace, notice.team_id) is None:
            return False
        return job.slack_user is not None or self._delivery.refuses(job.namespace, notice.channel) is None

    def _job_changed(self, change: Change[JobView]) -> None:
        old, new = change.old, change.new
        if old is not None and (new is None or new.finished or new.uid8 != old.uid8):
            self._steps.forget(key_of(old))
            if new is None or new.notice is None or new.uid8 != old.uid8:
                self._forget(key_of(old))
        if new is not None and new.notice is not None and _differs(old, new):
            self._put(new, _urgency(new))

    def _stepped(self, key: JobKey) -> None:
        job = self._jobs.get(*key[:2])
        if isinstance(job, LiveJob) and key_of(job) == key and job.notice is not None:
            self._put(job, Urgency.STEP)

    def _workspace_changed(self, change: Change[SlackInstallation]) -> None:
        connected = change.new is not None and change.new.serves
        if self._group is not None and connected and not (change.old is not None and change.old.serves):
            self._scan()

    def _forget(self, key: JobKey) -> None:
        self._delivery.forget(key)
        for line in self._lines.values():
            line.outbox.drop(key)

    def _put(self, job: JobView, urgency: Urgency) -> None:
        if self._group is None or job.notice is None:
            return
        installation = self._installations.the_one(job.namespace, job.notice.team_id)
        name = job.namespace if installation is None else installation.spec.team_id
        line = self._lines.get(name)
        if line is None:
            line = self._lines[name] = Line(name=name, outbox=Outbox(self._tempo))
            self._group.create_task(self._serve(line))
        line.outbox.put(key_of(job), job.notice.channel, urgency)
        line.awake.set()

    async def _serve(self, line: Line) -> None:
        """Send the cards of one workspace, one after another."""
        while True:
            item = line.outbox.take(_clock()) if self._leads() else None
            if item is not None:
                await _to_its_end(self._send(line, item), self._grace_seconds)
                self._tell_if_behind(line)
            else:
                await self._rest(line)

    async def _rest(self, line: Line) -> None:
        if line.outbox.left_out and not line.outbox:
            line.outbox.left_out = False
            self._scan()
        line.awake.clear()
        seconds = line.outbox.wait(_clock()) if self._leads() else 1.0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await line.awake.wait()

    async def _send(self, line: Line, item: Item) -> None:
        if item.key in self._under_way:  # by another sender: its workspace was connected a moment ago
            line.outbox.put(item.key, item.channel, item.urgency)
            line.outbox.pause(_clock() + OVERLAP_SECONDS)
            return
        self._under_way.add(item.key)
        try:
            await self._delivery.bring(item.key)
        except SlackLimitedError as error:
            self._later(line, item, error.retry_after, error)
        except (SlackUnavailableError, UnavailableError, ConflictError) as error:
            self._later(line, item, line.backoff.next(), error)
        except (SlackError, KubeError) as error:  # this card cannot be sent; the others may
            log.warning(
                "card of job %s: %s", item.key[1], error, extra={"action": "slack_card_failed", "jobId": item.key[1]}
            )
        except Exception:  # one that nobody foresaw must not end what sends all the others
            log.exception("card of job %s", item.key[1], extra={"action": "slack_card_failed", "jobId": item.key[1]})
        else:
            line.backoff.reset()
        finally:
            self._under_way.discard(item.key)

    def _later(self, line: Line, item: Item, seconds: float, error: Exception) -> None:
        line.outbox.put(item.key, item.channel, item.urgency)
        line.outbox.pause(_clock() + seconds)
        extra = {"action": "slack_cards_wait", "waiting": len(line.outbox)}
        log.info("cards of %s wait %.1f s: %s", line.name, seconds, error, extra=extra)

    def _tell_if_behind(self, line: Line) -> None:
        waiting, now = len(line.outbox), _clock()
        if waiting >= BEHIND and now - line.told_at >= BEHIND_SECONDS:
            line.told_at = now
            more = " and more" if line.outbox.left_out else ""
            extra = {"action": "slack_cards_behind", "waiting": waiting}
            log.warning("%s cards of %s wait for Slack%s", waiting, line.name, more, extra=extra)


def _urgency(job: JobView) -> Urgency:
    return Urgency.NEWS if isinstance(job, LiveJob) and job.message is not None else Urgency.FIRST


def _differs(old: JobView | None, new: JobView) -> bool:
    """Whether a card would show anything new; the message itself is nothing new."""
    if isinstance(old, LiveJob) and isinstance(new, LiveJob) and old.uid == new.uid:
        return (old.phase, old.cancel, old.turn_at) != (new.phase, new.cancel, new.turn_at)
    return True


async def _to_its_end(sending: Coroutine[Any, Any, None], grace: float) -> None:
    """Let a message under way end, also while everything else is stopped, if that does not take long."""
    task = asyncio.create_task(sending)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=grace)
        if not task.done():
            log.warning("a card was under way at the end; it may be posted twice", extra={"action": "slack_card_cut"})
            task.cancel()
            await asyncio.wait([task])
        raise


def _clock() -> float:
    """Return seconds as Slack counts them, whatever clock jobs live by."""
    return asyncio.get_running_loop().time()
