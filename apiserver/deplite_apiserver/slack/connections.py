"""Writes SlackInstallations: connects a workspace, disconnects it, and notes what Slack says of its token.

Connecting goes in the order object -> Secret -> status (`keeping.py`): whoever dies in between leaves an object that is
shown as not connected; connecting again completes it, or the next check where the Secret is there already.
"""

import logging
from collections.abc import Callable
from datetime import datetime

from deplite.failpoints import failpoint
from deplite.kube.cache import Cache
from deplite.kube.client import KubeClient
from deplite.kube.errors import ConflictError as StaleError
from deplite.kube.errors import ForbiddenError, NotFoundError
from deplite.resources.resource import utc
from deplite.resources.slackinstallation import SlackInstallation
from deplite_apiserver.errors import ConflictError, UnavailableError
from deplite_apiserver.slack.app import Granted, SlackApp
from deplite_apiserver.slack.errors import SlackError, SlackLimitedError, SlackTokenError
from deplite_apiserver.slack.installations import Installations
from deplite_apiserver.slack.keeping import declare, keep, spec_of
from deplite_apiserver.slack.state import used
from deplite_apiserver.slack.tokens import BotTokens

log = logging.getLogger(__name__)

_TRIES = 5


class Connections:
    """The one writer of SlackInstallations, but for links and for the operator's conditions."""

    def __init__(
        self,
        *,
        kube: KubeClient,
        cache: Cache[SlackInstallation],
        installations: Installations,
        tokens: BotTokens,
        app: SlackApp | None,
        room: Callable[[str], None],
        now: Callable[[], datetime],
        fresh_seconds: float,
    ) -> None:
        """Put it together.

        Args:
            kube: the Kubernetes API.
            cache: the local copy, told of each write.
            installations: what it says.
            tokens: bot tokens out of their Secrets.
            app: who talks to Slack; None while Slack is off.
            room: refuses another object of an organization that has too many.
            now: the present moment, UTC.
            fresh_seconds: how long the copy may take to catch up, before a workspace counts as nobody's.
        """
        self._fresh_seconds = fresh_seconds
        self._kube, self._cache, self._installations = kube, cache, installations
        self._tokens, self._app, self._room, self._now = tokens, app, room, now

    async def admit(self, organization: str, state_sha256: str) -> None:
        """Check that a state was not used, also before a restart of ours, and that a token could be kept.

        Raises:
            InvalidStateError: it was used.
            ConflictError: `secrets_forbidden`.
        """
        await self.check_rights(organization)
        for one in await self._kube.list(SlackInstallation, organization):
            if one.status.state_hash == state_sha256:
                raise used()

    async def check_rights(self, organization: str) -> None:
        """Check that Secrets of an organization may be used.

        Raises:
            ConflictError: `secrets_forbidden`.
        """
        try:
            await self._kube.get_secret(organization, "deplite-slack")  # which is not there, as a rule
        except NotFoundError:
            return
        except ForbiddenError:
            message = (
                "The server may not keep secrets in this organization, so no bot token either: have an administrator "
                "of the cluster apply what the organization's condition SecretsReady shows, then try again."
            )
            raise ConflictError(message, code="secrets_forbidden") from None

    async def connect(
        self, organization: str, granted: Granted, *, team_id: str, by: str, state_sha256: str
    ) -> SlackInstallation:
        """Connect a workspace to an organization, or put a new token in where it is connected already.

        Raises:
            ConflictError: `slack_team_taken`, `managed_in_git`.
            QuotaExceededError: the organization has as many objects as it may have.
            KubeError: the cluster did not take it.
        """
        await self._refuse_taken(organization, team_id)
        here = [one for one in self._cache.by("team", team_id) if one.namespace == organization and not one.ending]
        made = await declare(self._kube, organization, spec_of(granted, team_id, by), here, self._room)
        failpoint("apiserver.slack.declared")
        made = await keep(self._kube, made, granted.token)
        self._tokens.forget(made)
        failpoint("apiserver.slack.kept")
        body = {
            "connected": True,
            "connectedAt": utc(self._now()),
            "reason": None,
            "botUserId": (granted.bot_user_id or "")[:21] or None,
            "stateHash": state_sha256,
        }
        connected = await self._kube.patch_status(SlackInstallation, *made.key, body)
        self._cache.note(connected)
        try:
            await self._refuse_taken(organization, team_id)  # two at once: the older one keeps it
        except ConflictError:
            await self._delete(connected)
            raise
        return connected

    async def disconnect(self, installation: SlackInstallation) -> None:
        """Take the app out of a workspace, as far as Slack can be reached, and delete what is known of it here.

        Slack is left alone where another SlackInstallation has the same workspace: their token is one and the same.
        """
        others = [one for one in self._cache.by("team", installation.spec.team_id) if one.key != installation.key]
        if self._app is not None and not others:
            try:
                await self._app.uninstall(installation)
            except SlackError as error:
                log.warning("Slack keeps the app: %s", error, extra={"action": "slack_uninstall_failed"})
        failpoint("apiserver.slack.uninstalled")
        await self._delete(installation)

    async def mark(self, installation: SlackInstallation, code: str) -> None:
        """Note that Slack refused the token; one that was connected again since stays so."""
        self._tokens.forget(installation)
        found = installation
        body = {"connected": False, "reason": code[:128]}
        for _ in range(_TRIES):
            if not found.status.connected or _connection(found) != _connection(installation):
                return
            try:
                version = found.metadata.resource_version
                self._cache.note(await self._kube.patch_status(SlackInstallation, *found.key, body, version=version))
            except NotFoundError:
                return
            except StaleError:
                try:
                    found = await self._kube.get(SlackInstallation, *found.key)
                except NotFoundError:
                    return
            else:
                log.warning("Slack refused a token: %s", code, extra={"action": "slack_disconnected"})
                return

    async def uninstalled(self, team_id: str, code: str) -> None:
        """Believe, once Slack confirms it, that the app was taken out of a workspace or its token revoked.

        What REST made goes, with its Secret; what was declared elsewhere is marked. Word of an earlier time, which
        comes after the app was installed anew, changes nothing.

        Raises:
            UnavailableError: Slack cannot be asked: let it tell this again.
            KubeError: the cluster cannot be asked.
        """
        for installation in self._cache.by("team", team_id):
            if self._app is None or installation.ending:
                continue
            self._tokens.forget(installation)
            try:
                await self._app.call(installation, "auth.test")
            except SlackTokenError:
                if installation.managed_by_api:
                    await self._delete(installation)
                else:
                    await self.mark(installation, code)
            except SlackError as error:
                raise slack_away(error) from None

    async def _refuse_taken(self, organization: str, team_id: str) -> None:
        await self._cache.freshen(self._fresh_seconds)
        serving = self._installations.connected(team_id)
        if serving is not None and serving.namespace != organization:
            message = (
                "Another organization of this server has connected this workspace, and a workspace belongs to one: "
                "have one of its owners disconnect it first."
            )
            raise ConflictError(message, code="slack_team_taken")

    async def _delete(self, installation: SlackInstallation) -> None:
        uid = installation.metadata.uid
        await self._kube.delete(SlackInstallation, *installation.key, uid=uid)
        self._cache.forget(*installation.key, uid)
        self._tokens.forget(installation)


def _connection(installation: SlackInstallation) -> tuple[object, ...]:
    """Return what is another one once a token was put in."""
    status = installation.status
    return installation.metadata.uid, installation.spec.secret_name, status.connected_at, status.state_hash


def slack_away(error: SlackError) -> UnavailableError:
    """Return what a caller is told while Slack does not answer."""
    seconds = round(error.retry_after) if isinstance(error, SlackLimitedError) else 5
    message = "Slack does not answer for the moment; nothing has changed. Try again."
    return UnavailableError(message, code="slack_unavailable", retry_after=max(seconds, 1))
