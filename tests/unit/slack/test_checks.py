"""Looks at installations: each is looked at again when something about it has changed, and not before."""

from collections.abc import Mapping
from typing import Any, cast

import pytest

from deplite.kube.cache import Cache
from deplite.kube.client import KubeClient
from deplite.kube.errors import NotFoundError
from deplite.kube.secret import Secret
from deplite.resources.slackinstallation import SlackInstallation
from deplite_apiserver.slack.app import SlackApp
from deplite_apiserver.slack.checks import Checks
from deplite_apiserver.slack.tokens import BotTokens
from tests.unit.apiserver.clocks import StillClock

TEAM = "T0AAAAAAA"
KEY = ("org-x", "ours")


class Cluster:
    """One installation, with a Secret or without."""

    def __init__(self) -> None:
        self.version = 1
        self.token_version: str | None = None
        self.status: dict[str, Any] = {}
        self.cache: Cache[SlackInstallation] = Cache(
            cast(KubeClient, self), SlackInstallation, SlackInstallation.model_validate
        )

    async def get_secret(self, namespace: str, name: str) -> Secret:
        if self.token_version is None:
            raise NotFoundError("gone")
        return Secret(
            namespace=namespace, name=name, uid="s", version=self.token_version, labels={}, data={"token": b"xoxb-1"}
        )

    async def patch_status(
        self, kind: object, namespace: str, name: str, body: Mapping[str, Any], *, version: str | None = None
    ) -> SlackInstallation:
        assert version == str(self.version)
        return self.write(**body)

    def write(self, **status: Any) -> SlackInstallation:
        """Have the object say so."""
        self.version += 1
        self.status |= status
        meta = {"namespace": KEY[0], "name": KEY[1], "uid": "u", "generation": 1, "resourceVersion": str(self.version)}
        spec = {"teamId": TEAM, "secretName": "kept"}
        body = {"metadata": meta, "spec": spec, "status": self.status}
        self.cache.note(body)
        return SlackInstallation.model_validate(body)


class Slack:
    """Accepts every token, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def call_with(self, token: str, method: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        self.asked += 1
        return {"team_id": TEAM, "user_id": "U0BOT"}


class Scene:
    def __init__(self) -> None:
        self.clock, self.cluster, self.slack = StillClock(), Cluster(), Slack()
        kube = cast(KubeClient, self.cluster)
        self.checks = Checks(
            kube=kube,
            cache=self.cluster.cache,
            tokens=BotTokens(kube, self.clock.monotonic),
            clock=self.clock,
            holds_lease=lambda: True,
        )

    async def round(self) -> None:
        await self.checks.round(cast(SlackApp, self.slack))


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_what_is_connected_after_a_look_in_between_is_looked_at_at_once(scene: Scene) -> None:
    """The look came after the object was made and before its Secret was."""
    scene.cluster.write()
    await scene.round()
    assert scene.cluster.status["reason"] == "secret_missing"
    scene.cluster.token_version = "1"
    scene.cluster.write(connected=True, reason=None)
    await scene.round()
    assert scene.slack.asked == 1
    await scene.round()
    scene.clock.advance(61)
    await scene.round()
    assert scene.slack.asked == 1


async def test_a_mark_that_the_token_is_refused_stands_until_slack_is_asked_again(scene: Scene) -> None:
    scene.cluster.token_version = "1"
    scene.cluster.write()
    await scene.round()
    assert scene.cluster.status["connected"]
    scene.cluster.write(connected=False, reason="token_revoked")
    for _ in range(3):
        await scene.round()
    assert (scene.slack.asked, scene.cluster.status["reason"]) == (1, "token_revoked")
    scene.clock.advance(601)
    await scene.round()
    assert (scene.slack.asked, scene.cluster.status["connected"]) == (2, True)
