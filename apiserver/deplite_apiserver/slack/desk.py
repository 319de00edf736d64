"""Everything about Slack, put together: `context.slack`. With Slack off it is there and refuses."""

import asyncio
from collections.abc import Callable
from typing import Any

from deplite.kube.client import KubeClient
from deplite.resources.slackinstallation import SlackInstallation
from deplite_apiserver.caches import Caches
from deplite_apiserver.clock import Clock
from deplite_apiserver.errors import ConflictError
from deplite_apiserver.limits.room import Room
from deplite_apiserver.metrics.metrics import Metrics
from deplite_apiserver.serverkeys import ServerKeys
from deplite_apiserver.settings import Settings
from deplite_apiserver.shared.once import Once
from deplite_apiserver.slack.app import SlackApp
from deplite_apiserver.slack.checks import Checks
from deplite_apiserver.slack.connections import Connections
from deplite_apiserver.slack.door import Door
from deplite_apiserver.slack.errors import SlackTokenError
from deplite_apiserver.slack.installations import Installations
from deplite_apiserver.slack.state import PURPOSE, States
from deplite_apiserver.slack.tokens import BotTokens


class Slack:
    """The Slack part of one replica.

    Attributes:
        installations: which workspaces are connected.
        connections: connects and disconnects them.
        states: what a browser brings back from Slack.
        door: what commands, buttons and events need beside requests.
        holds_lease: whether this replica is the one that acts by itself (the sweeper's).
    """

    def __init__(
        self,
        *,
        settings: Settings,
        kube: KubeClient,
        swept: KubeClient,
        caches: Caches,
        clock: Clock,
        once: Once,
        server_keys: ServerKeys,
        room: Room,
        holds_lease: Callable[[], bool],
        metrics: Metrics,
    ) -> None:
        """Put the parts together; `run` starts them.

        Args:
            settings: the app at Slack, if there is one.
            kube: the Kubernetes API.
            swept: the same, for what only the holder of the sweeper's Lease writes.
            caches: the local copies; run by the app.
            clock: the time.
            once: what all replicas remember together.
            server_keys: what states are signed with, by a key derived from it.
            room: how much an organization may have.
            holds_lease: whether this replica holds the sweeper's Lease.
            metrics: counts calls of Slack.
        """
        self.holds_lease = holds_lease
        self.installations = Installations(caches.slack)
        self.states = States(server_keys.derived(PURPOSE), clock.now, once)
        tokens = BotTokens(kube, clock.monotonic)
        self.door = Door(kube, caches, clock, once)
        self._app = None if settings.slack is None else SlackApp(settings.slack, tokens, metrics)
        self.connections = Connections(
            kube=kube,
            cache=caches.slack,
            installations=self.installations,
            tokens=tokens,
            app=self._app,
            room=room.for_object,
            now=clock.now,
            fresh_seconds=settings.waits.missing,
        )
        self._checks = Checks(kube=swept, cache=caches.slack, tokens=tokens, clock=clock, holds_lease=holds_lease)

    @property
    def on(self) -> bool:
        """Whether this installation of Deplite is an app at Slack."""
        return self._app is not None

    @property
    def app(self) -> SlackApp:
        """The one who talks to Slack.

        Raises:
            ConflictError: `slack_not_configured`: there is no app.
        """
        if self._app is None:
            raise ConflictError(
                "Slack is not set up on this server: whoever runs it sets DEPLITE_SLACK_CLIENT_ID, "
                "DEPLITE_SLACK_CLIENT_SECRET_FILE and DEPLITE_SLACK_SIGNING_SECRET_FILE.",
                code="slack_not_configured",
            )
        return self._app

    async def say(self, installation: SlackInstallation, method: str, **payload: Any) -> None:
        """Call a method of the Web API; where Slack refuses the token, that is noted before the error goes on.

        Raises:
            SlackError: Slack did not do it.
            KubeError: the bot token cannot be read.
        """
        try:
            await self.app.call(installation, method, **payload)
        except SlackTokenError as error:
            await self.connections.mark(installation, error.code)
            raise

    async def run(self) -> None:
        """Do all that goes on beside requests; for ever, unless Slack is off."""
        if self._app is None:
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(self._checks.run(self._app))
            group.create_task(self.door.run())

    async def close(self) -> None:
        """Let go of the connections to Slack."""
        await self.door.close()
        if self._app is not None:
            await self._app.close()
