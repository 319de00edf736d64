"""Asks Slack about every installation: when it is new, when its spec or its Secret changed, and once an hour.

Done by the replica that holds the sweeper's Lease. What was declared with kubectl or in Git becomes connected by this;
what REST made is looked at like all others. While Slack or the cluster is away nothing is written.
"""

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from deplite.kube.cache import Cache
from deplite.kube.client import KubeClient
from deplite.kube.errors import ConflictError, KubeError, NotFoundError
from deplite.protocol.backoff import Backoff
from deplite.resources.resource import utc
from deplite.resources.slackinstallation import SlackInstallation
from deplite_apiserver.clock import Clock
from deplite_apiserver.slack.app import SlackApp
from deplite_apiserver.slack.errors import (
    SlackLimitedError,
    SlackRefusedError,
    SlackTokenError,
    SlackUnavailableError,
)
from deplite_apiserver.slack.tokens import BotTokens

log = logging.getLogger(__name__)

OTHER_TEAM = "other_team"


@dataclass(frozen=True, kw_only=True)
class Periods:
    """Seconds."""

    rounds: float = 2.0
    """Between two rounds: how soon something new is seen."""
    secret: float = 60.0
    """Between two looks at a Secret, which can only be asked for by name."""
    slack: float = 3600.0
    """Between two questions to Slack about a token that it accepted."""
    refused: float = 600.0
    """And about one that it did not: troubles of Slack pass."""
    most: float = 300.0
    """Of waiting while Slack or the cluster is away."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trouble:
    """An installation that could not be looked at."""

    uid: str
    generation: int
    backoff: Backoff
    again: int
    """The round that looks at it again; rounds pass while a test's clock stands still."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What an installation was like when it was last looked at."""

    uid: str
    generation: int
    connected: bool
    """What its status said afterwards: another word since then is somebody else's, who knew more or less than we."""
    token_version: str
    asked_at: float
    look_at: float


class Checks:
    """The one writer of what Slack says of tokens that nobody has just got or used."""

    def __init__(
        self,
        *,
        kube: KubeClient,
        cache: Cache[SlackInstallation],
        tokens: BotTokens,
        clock: Clock,
        holds_lease: Callable[[], bool],
        periods: Periods | None = None,
    ) -> None:
        """Make it.

        Args:
            kube: the Kubernetes API, which takes writes of the Lease's holder only.
            cache: the local copy, told of each write.
            tokens: bot tokens out of their Secrets.
            clock: the time.
            holds_lease: whether this replica is the one that looks.
            periods: how often.
        """
        self._kube, self._cache, self._tokens, self._clock = kube, cache, tokens, clock
        self._holds_lease, self._periods = holds_lease, periods or Periods()
        self._seen: dict[tuple[str, str], Seen] = {}
        self._troubles: dict[tuple[str, str], Trouble] = {}
        self._rounds = 0

    async def run(self, app: SlackApp) -> None:
        """Look again and again while the Lease is held; a new holder looks at all."""
        while True:
            await self.round(app)
            await asyncio.sleep(self._periods.rounds)

    async def round(self, app: SlackApp) -> None:
        """Look at all that are due; one that cannot be looked at now waits by itself and holds up no other."""
        self._rounds += 1
        present = {one.key: one for one in self._cache.values() if not one.ending}
        kept = present.keys() if self._holds_lease() else frozenset()
        self._seen = {key: seen for key, seen in self._seen.items() if key in kept}
        self._troubles = {key: trouble for key, trouble in self._troubles.items() if key in kept}
        for one in present.values():
            if not self._holds_lease():
                return
            if self._is_due(one):
                await self._try(app, one)

    async def _try(self, app: SlackApp, one: SlackInstallation) -> None:
        try:
            await self._look(app, one)
        except (SlackUnavailableError, SlackLimitedError, KubeError) as error:
            self._postpone(one, getattr(error, "retry_after", None) or 0.0)
            log.warning("%s/%s not checked: %s", *one.key, error, extra={"action": "slack_check_failed"})
        except Exception:  # one object that nobody foresaw must not end the looks at all others
            self._postpone(one, 0.0)
            log.exception("%s/%s not checked", *one.key, extra={"action": "slack_check_failed"})
        else:
            self._troubles.pop(one.key, None)

    def _postpone(self, one: SlackInstallation, least: float) -> None:
        trouble = self._troubles.get(one.key)
        backoff = trouble.backoff if trouble else Backoff(first=self._periods.rounds, most=self._periods.most)
        rounds = math.ceil(max(backoff.next(), least) / self._periods.rounds)
        self._troubles[one.key] = Trouble(
            uid=one.metadata.uid, generation=one.metadata.generation, backoff=backoff, again=self._rounds + rounds
        )

    def _is_due(self, one: SlackInstallation) -> bool:
        trouble, seen = self._troubles.get(one.key), self._seen.get(one.key)
        if trouble is not None and (trouble.uid, trouble.generation) == (one.metadata.uid, one.metadata.generation):
            return self._rounds >= trouble.again
        if seen is None or self._clock.monotonic() >= seen.look_at:
            return True
        present = (one.metadata.uid, one.metadata.generation, one.status.connected)
        return (seen.uid, seen.generation, seen.connected) != present

    async def _look(self, app: SlackApp, one: SlackInstallation) -> None:
        began = self._clock.monotonic()  # what Slack says is as old as the question
        try:
            token = await self._tokens.read(one)
        except SlackTokenError as error:
            await self._settle(one, "", {"connected": False, "reason": error.code}, began)
            return
        if (seen := self._still_true(one, token.version)) is not None:
            look_at = self._clock.monotonic() + self._periods.secret
            self._seen[one.key] = replace(seen, look_at=look_at, connected=one.status.connected)
            return
        await self._settle(one, token.version, await self._ask(app, one, token.text), began)

    def _still_true(self, one: SlackInstallation, token_version: str) -> Seen | None:
        """Return what Slack was asked about, if neither that nor the hour has changed."""
        seen = self._seen.get(one.key)
        period = self._periods.slack if one.status.connected else self._periods.refused
        if seen is None or self._clock.monotonic() >= seen.asked_at + period:
            return None
        present = (one.metadata.uid, one.metadata.generation, token_version)
        return seen if (seen.uid, seen.generation, seen.token_version) == present else None

    async def _ask(self, app: SlackApp, one: SlackInstallation, token: str) -> dict[str, Any]:
        """Return what the status should say."""
        try:
            answer = await app.call_with(token, "auth.test", {})
        except SlackRefusedError as error:
            return {"connected": False, "reason": error.code}
        if answer.get("team_id") != one.spec.team_id or answer.get("is_enterprise_install"):
            return {"connected": False, "reason": OTHER_TEAM}
        return {"connected": True, "reason": None, "botUserId": str(answer.get("user_id") or "")[:21] or None}

    async def _settle(self, one: SlackInstallation, token_version: str, fields: dict[str, Any], began: float) -> None:
        """Write what differs, if the object is still what was looked at; if not, it is looked at anew."""
        present = one.status.wire()
        if fields["connected"] and not one.status.connected:
            fields = fields | {"connectedAt": utc(self._clock.now())}
        changed = {name: value for name, value in fields.items() if present.get(name) != value}
        if changed and not await self._write(one, changed):
            self._seen.pop(one.key, None)
            return
        self._seen[one.key] = Seen(
            uid=one.metadata.uid,
            generation=one.metadata.generation,
            connected=fields["connected"],
            token_version=token_version,
            asked_at=began,
            look_at=began + self._periods.secret,
        )

    async def _write(self, one: SlackInstallation, changed: dict[str, Any]) -> bool:
        version = one.metadata.resource_version
        try:
            written = await self._kube.patch_status(SlackInstallation, *one.key, changed, version=version)
        except (ConflictError, NotFoundError):
            return False
        self._cache.note(written)
        outcome = "connected" if written.status.connected else f"not connected: {written.status.reason}"
        log.info("%s/%s is %s", *one.key, outcome, extra={"action": "slack_checked"})
        return True
