"""Says on a Trigger that people are not told of its runs: an Event, once an hour for a trigger and a reason."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

from deplite.kube.cache import Cache
from deplite.kube.errors import AlreadyExistsError, KubeError
from deplite.kube.event import Event
from deplite.resources import DeployJob, Trigger
from deplite.resources.reasons import SLACK_NOT_DELIVERED
from deplite.resources.resource import Resource
from deplite_apiserver.edge.body import printable

log = logging.getLogger(__name__)

NOT_CONNECTED = "not_connected"
"""Ours: the organization has not connected that workspace, or several, and the trigger does not say which."""
_MOST = 4096
_INVITE = "Invite the app into the channel, or change spec.notify.slack.channel of the trigger."
_CONNECT = "Connect the workspace to the organization (again), or say in spec.notify.slack.teamId which one is meant."
_ADVICE: Mapping[str, str] = {
    NOT_CONNECTED: _CONNECT,
    "channel_not_found": _INVITE,
    "not_in_channel": _INVITE,
    "is_archived": "Take the channel out of the archive, or change spec.notify.slack.channel of the trigger.",
}


class Teller(Protocol):
    """What is needed of `KubeClient`."""

    async def tell(self, about: Resource, event: Event) -> None:
        """Create an Event."""


class Undelivered:
    """The only writer of the Event `SlackNotDelivered`."""

    def __init__(self, store: Teller, triggers: Cache[Trigger], now: Callable[[], datetime]) -> None:
        """Make it.

        Args:
            store: where Events are made.
            triggers: the cache of triggers.
            now: the present moment in UTC.
        """
        self._store, self._triggers, self._now = store, triggers, now
        self._told: OrderedDict[str, None] = OrderedDict()

    async def tell(self, job: DeployJob, code: str, channel: str) -> None:
        """Say that the card of a job finds no place; never fails.

        Args:
            job: the job.
            code: Slack's word for it, or ours.
            channel: where the card was to be.
        """
        trigger = self._triggers.get(job.namespace, job.spec.trigger) if job.spec.trigger else None
        log.info("no card of job %s: %s", job.name, code, extra={"action": "slack_not_delivered", "jobId": job.name})
        if trigger is None:
            return
        key = f"{trigger.metadata.uid} {code} {self._now():%Y-%m-%dT%H}"
        if key in self._told:
            return
        advice = _ADVICE.get(code, "Its runs go on; see Slack's documentation for this word, and the server's log.")
        event = Event(
            reason=SLACK_NOT_DELIVERED,
            message=f"Runs of this trigger are not shown in {printable(channel)}: {code}. {advice}",
            component="deplite-apiserver",
            at=self._now(),
            warning=True,
            key=key,
        )
        try:
            await self._store.tell(trigger, event)
        except AlreadyExistsError:
            pass  # said by whoever held the Lease before
        except KubeError as error:
            log.warning(
                "no Event tells of %s: %s", code, error, extra={"action": "slack_not_delivered", "jobId": job.name}
            )
            return
        self._told[key] = None
        if len(self._told) > _MOST:
            self._told.popitem(last=False)
