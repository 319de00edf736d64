"""Brings one card to what its job is now: reads the job, posts or edits the message, and writes down where it is.

The job says in `status.slackMessage` which message shows it, and whether that is known to show its end, so whoever
comes next goes on from there. What cannot be known is whether Slack took a message whose answer was lost: it is posted
again, for a card twice is better than a failure that nobody hears of.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from deplite.failpoints import failpoint
from deplite.fence import Left, fence
from deplite.kube.errors import ConflictError, NotFoundError
from deplite.resources import DeployJob
from deplite.resources.deployjob import SlackMessage
from deplite.resources.notify import SlackNotice
from deplite.resources.resource import Resource
from deplite.resources.slackinstallation import SlackInstallation
from deplite_apiserver.jobs.recent import Recent
from deplite_apiserver.jobs.steps import JobKey, key_of
from deplite_apiserver.jobs.view import notice_of
from deplite_apiserver.slack.card import Around, Card, card
from deplite_apiserver.slack.errors import SlackRefusedError, SlackTokenError
from deplite_apiserver.slack.installations import Installations
from deplite_apiserver.slack.undelivered import NOT_CONNECTED, Undelivered

log = logging.getLogger(__name__)

MAX_TRIES = 5
STALE_AFTER = timedelta(hours=24)
"""After its end; then nobody waits for a card any more."""
REFUSED_SECONDS = 50.0
"""For how long a channel that was refused is not tried again."""


class JobStore(Protocol):
    """What is needed of `KubeClient`."""

    async def get(self, kind: type[DeployJob], namespace: str, name: str) -> DeployJob:
        """Return the job."""

    async def patch_status(
        self, kind: type[DeployJob], namespace: str, name: str, body: Mapping[str, Any], *, version: str | None = None
    ) -> DeployJob:
        """Merge into its status where `version` is still the present one."""


class Caller(Protocol):
    """What is needed of `SlackApp`."""

    async def call(self, installation: SlackInstallation, method: str, **payload: Any) -> dict[str, Any]:
        """Call a method of the Web API."""


class Delivery:
    """The only writer of `DeployJob.status.slackMessage`."""

    def __init__(
        self,
        *,
        store: JobStore,
        note: Callable[[Resource], None],
        recent: Recent,
        app: Caller,
        installations: Installations,
        around: Callable[[DeployJob], Around],
        mark: Callable[[SlackInstallation, str], Awaitable[None]],
        undelivered: Undelivered,
        left: Left,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        """Make it.

        Args:
            store: where jobs are.
            note: is told each job that was written.
            recent: the same, so that the job's next change of phase meets no other version.
            app: who talks to Slack.
            installations: which workspaces are connected.
            around: says what a card shows beside its job.
            mark: notes that Slack refused an installation's token.
            undelivered: says that a card finds no place.
            left: for how many seconds more cards may be posted and edited here: beyond that, somebody else may.
            now: the present moment in UTC.
            monotonic: seconds of a clock that never goes back.
        """
        self._store, self._note, self._recent, self._app = store, note, recent, app
        self._installations, self._around, self._mark = installations, around, mark
        self._undelivered, self._left = undelivered, left
        self._now, self._monotonic = now, monotonic
        self._posted: dict[JobKey, SlackMessage] = {}
        """Messages that are at Slack, and not yet in their jobs."""
        self._shown: dict[JobKey, int] = {}
        """What the message of a job that has not ended shows: a hash."""
        self._refused: dict[tuple[str, str], tuple[float, str]] = {}

    def forget(self, key: JobKey) -> None:
        """Forget a job that is gone, or whose end is shown."""
        self._posted.pop(key, None)
        self._shown.pop(key, None)

    def refuses(self, organization: str, channel: str) -> str | None:
        """Return why a channel took no card a moment ago, if it took none."""
        until, code = self._refused.get((organization, channel), (float("-inf"), ""))
        return code if self._monotonic() < until else None

    async def bring(self, key: JobKey) -> None:
        """Show a job as it is now; where all is shown, nothing happens.

        Raises:
            SlackLimitedError, SlackUnavailableError: later, perhaps.
            KubeError: the job cannot be read or written, or the Lease is over.
        """
        job = await self._read(key)
        notice = None if job is None else notice_of(job)
        if job is None or notice is None or self._stale(job):
            self.forget(key)
            return
        message = job.status.slack_message or self._posted.get(key)
        installation = self._installations.the_one(job.namespace, message.team_id if message else notice.team_id)
        if installation is None:
            await self._undelivered.tell(job, NOT_CONNECTED, notice.channel)
            return
        try:
            with fence(self._left):
                message = await self._show(installation, job, notice, message)
        except SlackTokenError as error:
            await self._mark(installation, error.code)
            await self._undelivered.tell(job, error.code, notice.channel)
            return
        if message is not None:
            await self._write_down(job, message)

    async def _show(
        self, installation: SlackInstallation, job: DeployJob, notice: SlackNotice, message: SlackMessage | None
    ) -> SlackMessage | None:
        made = card(job, self._around(job))
        shown = hash(repr(made))
        if message is None:
            message = await self._post(installation, job, notice, made)
            if message is None:
                return None
        elif self._shown.get(key_of(job)) != shown:
            await self._edit(installation, job, message, made)
        self._shown[key_of(job)] = shown
        return message.model_copy(update={"phase": job.status.phase})

    async def _post(
        self, installation: SlackInstallation, job: DeployJob, notice: SlackNotice, made: Card
    ) -> SlackMessage | None:
        """Post the card, for a run from Slack where need be to the one who asked; None where it finds no place."""
        asker = job.spec.requested_by.id.rpartition("/")[2] if job.spec.requested_by.kind == "slack" else None
        code = self.refuses(job.namespace, notice.channel)
        for channel in (notice.channel, asker):
            if not channel or (channel == notice.channel and code is not None):
                continue
            try:
                failpoint("apiserver.card.posting")
                answer = await self._app.call(
                    installation,
                    "chat.postMessage",
                    channel=channel,
                    text=made.text,
                    blocks=made.blocks,
                    unfurl_links=False,
                )
            except SlackTokenError:
                raise
            except SlackRefusedError as error:
                code = error.code
                self._refused[job.namespace, channel] = self._monotonic() + REFUSED_SECONDS, code
                continue
            failpoint("apiserver.card.posted")
            self._refused.pop((job.namespace, channel), None)
            message = SlackMessage(
                team_id=installation.spec.team_id,
                channel=str(answer["channel"])[:64],
                ts=str(answer["ts"])[:32],
                phase=job.status.phase,
            )
            self._posted[key_of(job)] = message
            return message
        await self._undelivered.tell(job, code or "", notice.channel)
        return None

    async def _edit(self, installation: SlackInstallation, job: DeployJob, message: SlackMessage, made: Card) -> None:
        """Edit the message; one that somebody deleted, or that cannot be edited any more, stays as it is."""
        try:
            await self._app.call(
                installation, "chat.update", channel=message.channel, ts=message.ts, text=made.text, blocks=made.blocks
            )
        except SlackTokenError:
            raise
        except SlackRefusedError as error:
            log.info(
                "card of job %s not edited: %s",
                job.name,
                error.code,
                extra={"action": "slack_card_not_edited", "jobId": job.name},
            )

    async def _write_down(self, job: DeployJob, message: SlackMessage) -> None:
        """Write where the card is, once it is there and once it shows the end."""
        key = key_of(job)
        tries = 0
        while job.status.slack_message is None or message.phase.finished:
            body = {"slackMessage": message.wire()}
            try:
                written = await self._store.patch_status(
                    DeployJob, job.namespace, job.name, body, version=job.metadata.resource_version
                )
            except NotFoundError:
                self.forget(key)
                return
            except ConflictError:
                again, tries = await self._read(key), tries + 1
                if again is None:
                    self.forget(key)
                    return
                if tries == MAX_TRIES:
                    raise
                job = again
                continue
            self._recent.put(written)
            self._note(written)
            break
        self._posted.pop(key, None)
        if message.phase.finished:
            self.forget(key)

    async def _read(self, key: JobKey) -> DeployJob | None:
        namespace, name, uid8 = key
        try:
            job = await self._store.get(DeployJob, namespace, name)
        except NotFoundError:
            return None
        return job if job.metadata.uid.startswith(uid8) else None

    def _stale(self, job: DeployJob) -> bool:
        return is_stale(job.status.finished_at, self._now())


def is_stale(ended: datetime | None, now: datetime) -> bool:
    """Whether a job ended so long ago that no card is owed any more."""
    return ended is not None and now - ended > STALE_AFTER
