"""Cards alone: the worker on the real API server and the fake Slack, without an apiserver around it."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deplite.fence import Left
from deplite.kube.client import KubeClient
from deplite.protocol.phases import Phase, Reason
from deplite.resources import DeployJob, SlackInstallation, Trigger
from deplite.resources.deployjob import DeployJobStatus
from deplite_apiserver.caches import Caches
from deplite_apiserver.clock import Clock
from deplite_apiserver.jobs.recent import Recent
from deplite_apiserver.jobs.steps import Steps, key_of
from deplite_apiserver.jobs.transition import Claimed, Ended, Reported, Transitions, Verdict
from deplite_apiserver.metrics.metrics import Metrics
from deplite_apiserver.shared.bells import NoBells
from deplite_apiserver.slack.app import SCOPES, SlackApp
from deplite_apiserver.slack.card import Around
from deplite_apiserver.slack.cards import Cards
from deplite_apiserver.slack.delivery import Delivery
from deplite_apiserver.slack.installations import Installations
from deplite_apiserver.slack.outbox import Tempo
from deplite_apiserver.slack.settings import SlackSettings
from deplite_apiserver.slack.tokens import BotTokens
from deplite_apiserver.slack.undelivered import Undelivered
from tests.kube.serving import until
from tests.slackfake import Call, FakeSlack, Message, Team
from tests.slackfake.workspace import Code

PATIENCE = 120
"""Seconds: a machine that others use, too."""


@dataclass(kw_only=True)
class Stage:
    """An organization with a connected workspace, whose jobs have their cards in C0GENERAL, as a rule."""

    kube: KubeClient
    namespace: str
    slack: FakeSlack
    team: Team
    caches: Caches
    clock: Clock
    folder: Path
    tempo: Tempo = field(default_factory=lambda: Tempo(channel=0, step=0))
    recent: Recent = field(default_factory=Recent)
    marked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._began = len(self.slack.calls())
        self.steps = Steps(self.clock.now, NoBells())
        self.transitions = Transitions(self.kube, self.caches.jobs.note, self.recent)
        self._room = asyncio.Semaphore(16)  # more connections at once take a busy machine longer than any may take

    async def connect(self, **status: Any) -> SlackInstallation:
        """Connect the workspace, as OAuth would."""
        name = self.team.id.lower()
        code = Code(team=self.team, user="U0ANN", scopes=",".join(SCOPES), redirect_uri="")
        with self.slack.lock:
            token = self.slack.slack.grant(code).value
        await self.kube.create_secret(self.namespace, name, {"token": token.encode()})
        body = {
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"teamId": self.team.id, "secretName": name},
        }
        await self.kube.create(SlackInstallation.model_validate(body))
        return await self.kube.patch_status(SlackInstallation, self.namespace, name, {"connected": True} | status)

    async def disconnect(self) -> None:
        """Let the worker of the next test find nothing to do here."""
        found = self.caches.slack.by("namespace", self.namespace)[0]
        body = {"connected": False, "reason": "over"}
        self.caches.slack.note(await self.kube.patch_status(SlackInstallation, *found.key, body))

    async def trigger(self, name: str = "deploy") -> Trigger:
        body = {"metadata": {"name": name, "namespace": self.namespace}, "spec": {"agent": "web", "workflow": "w"}}
        made = await self.kube.create(Trigger.model_validate(body))
        await until(lambda: _true(self.caches.triggers.get(self.namespace, name) is not None), True, seconds=PATIENCE)
        return made

    async def job(self, *, channel: str = "C0GENERAL", when: str = "always", **spec: Any) -> str:
        """Make a job as the apiserver does, and return its name."""
        notify = {"slack": {"channel": channel, "when": when}}
        body = {
            "metadata": {"name": f"j-{secrets.token_hex(13)}", "namespace": self.namespace},
            "spec": {"trigger": "deploy", "agent": "web", "workflow": "w", "notify": notify} | spec,
        }
        async with self._room:
            made = await self.kube.create(DeployJob.model_validate(body))
        self.recent.put(made)
        self.caches.jobs.note(made)
        return made.name

    async def claim(self, name: str) -> None:
        await self._apply(name, Claimed(instance="i", at=self.clock.now()))

    async def succeed(self, name: str, **end: Any) -> None:
        status = DeployJobStatus(phase=Phase.SUCCEEDED, exit_code=0, **end)
        await self._apply(name, Reported(instance="i", status="success", end=status, at=self.clock.now()))

    async def fail(self, name: str, reason: Reason) -> None:
        await self._apply(name, Ended(reason=reason, at=self.clock.now()))

    async def _apply(self, name: str, event: Claimed | Reported | Ended) -> None:
        async with self._room:
            assert await self.transitions.apply(self.namespace, name, event) is Verdict.APPLIED

    async def read(self, name: str) -> DeployJob:
        return await self.kube.get(DeployJob, self.namespace, name)

    @contextlib.asynccontextmanager
    async def worker(
        self, leads: Callable[[], bool] = lambda: True, left: Left = lambda: PATIENCE
    ) -> AsyncIterator[Cards]:
        """Run a worker that knows nothing of any before it, as after a restart."""
        files = {}
        for name in ("client_secret", "signing_secret"):
            file = self.folder / name
            file.write_text(getattr(self.slack.app, name))
            files[f"{name}_file"] = file
        settings = {"client_id": self.slack.app.client_id, "url": self.slack.url} | files
        app = SlackApp(SlackSettings.model_validate(settings), BotTokens(self.kube, self.clock.monotonic), Metrics())
        installations = Installations(self.caches.slack)
        cards = Cards(
            jobs=self.caches.jobs,
            workspaces=self.caches.slack,
            installations=installations,
            steps=self.steps,
            delivery=Delivery(
                store=self.kube,
                note=self.caches.jobs.note,
                recent=self.recent,
                app=app,
                installations=installations,
                around=self._around,
                mark=self._mark,
                undelivered=Undelivered(self.kube, self.caches.triggers, self.clock.now),
                left=left,
                now=self.clock.now,
                monotonic=self.clock.monotonic,
            ),
            leads=leads,
            now=self.clock.now,
            tempo=self.tempo,
            rescan_seconds=1,
            grace_seconds=PATIENCE,
        )
        task = asyncio.create_task(cards.run())
        try:
            yield cards
        finally:
            task.cancel()
            await asyncio.wait([task])
            await app.close()
        assert task.cancelled(), task.exception()

    def _around(self, job: DeployJob) -> Around:
        step = self.steps.of(key_of(job))
        return Around(title="Deploy", agent="web", url=f"https://deplite.example.com/api/jobs/{job.name}", step=step)

    async def _mark(self, installation: SlackInstallation, code: str) -> None:
        self.marked.append(code)
        body = {"connected": False, "reason": code}
        self.caches.slack.note(await self.kube.patch_status(SlackInstallation, *installation.key, body))

    # What is there to see.

    def calls(self, method: str | None = None, outcome: str | None = None) -> list[Call]:
        """Return the calls of this test."""
        return [call for call in self.slack.calls(method, outcome) if call.number >= self._began]

    def messages(self, channel: str = "C0GENERAL") -> dict[str, list[Message]]:
        """Return the messages of a channel by the job that each shows."""
        found: dict[str, list[Message]] = {}
        for message in self.team.messages(channel):
            found.setdefault(shown_job(message), []).append(message)
        return found

    def states(self, channel: str = "C0GENERAL") -> dict[str, list[str]]:
        """Return what the messages of a channel say, by job."""
        return {name: [state(one) for one in found] for name, found in self.messages(channel).items()}

    async def shows(self, wanted: dict[str, list[str]], channel: str = "C0GENERAL") -> None:
        """Wait until the messages of a channel say this."""
        await until(lambda: _value(self.states(channel)), wanted, seconds=PATIENCE)

    async def nothing_owed(self) -> None:
        """Wait until every job of the organization says in its status that its card shows the end."""

        async def owing() -> list[str]:
            jobs = await self.kube.list(DeployJob, self.namespace)
            return [one.name for one in jobs if (one.status.slack_message or one.status).phase.finished is False]

        await until(owing, [], seconds=PATIENCE)


def shown_job(message: Message) -> str:
    (name,) = {word for word in message.said.replace("`", " ").split() if word.startswith("j-")}
    return name


def state(message: Message) -> str:
    return str(message.blocks[0]["text"]["text"]).rpartition(": ")[2]


async def _true(value: bool) -> bool:
    return value


async def _value(value: Any) -> Any:
    return value
