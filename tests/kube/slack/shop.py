"""An office whose workspace is connected, with something to run, and people who speak there."""

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from deplite.kube.client import KubeClient
from deplite.resources import DeployJob, Trigger
from deplite.resources.identifiers import object_id
from tests.kube.jobs.conftest import agent_name, enroll
from tests.kube.serving import MovableClock, until
from tests.published.agent import PublishedAgent
from tests.slackfake import Reply

if TYPE_CHECKING:
    from tests.kube.slack.conftest import Office

ANN, BOB, CHANNEL = "U0ANN", "U0BOB", "C0GENERAL"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shop:
    """See the module."""

    office: "Office"
    clock: MovableClock
    agent: PublishedAgent
    agent_name: str
    kube: KubeClient

    async def declare(self, name: str, **spec: Any) -> Trigger:
        """Create a trigger, and wait until the replica knows it."""
        wanted = {"agent": self.agent_name, "workflow": "deploy-prod"} | spec
        metadata = {"name": name, "namespace": self.office.namespace}
        made = await self.kube.create(Trigger.model_validate({"metadata": metadata, "spec": wanted}))
        caches = self.office.replica.context.caches

        async def known() -> bool:
            return caches.triggers.get(*made.key) is not None

        await until(known, True, seconds=60)
        return made

    async def reply(self, text: str, *, user: str = ANN, **options: Any) -> Reply:
        """Type a command."""
        stamp = str(int(self.clock.time()))
        sent: dict[str, Any] = {"team": self.office.team, "channel": CHANNEL, "timestamp": stamp} | options
        return await asyncio.to_thread(self.office.slack.command, text, user=user, **sent)

    async def say(self, text: str, *, user: str = ANN, **options: Any) -> str:
        """Type a command, and return what only that person reads."""
        reply = await self.reply(text, user=user, **options)
        assert reply.status == 200, reply.raw
        assert reply.json["response_type"] == "ephemeral"
        return reply.text

    async def code(self, *, by: str = "mika") -> str:
        """Return a fresh link code."""
        answer = await self.office.call("POST", f"installations/{self.office.team.id}/link-codes", by=by)
        assert answer.status_code == 201, answer.text
        code: str = answer.json()["code"]
        return code

    async def link(self, user: str = ANN, *, by: str = "mika") -> None:
        said = await self.say(f"link {await self.code(by=by)}", user=user)
        assert said.startswith("You are linked"), said

    async def press(
        self,
        action_id: str,
        value: str,
        *,
        user: str = ANN,
        card: str = "1700000000.000100",
        base: str | None = None,
        **changes: Any,
    ) -> Reply:
        """Press a button of a card; `base` is the replica that hears of it, where there are several."""
        team, slack = self.office.team, self.office.slack
        payload = {
            "type": "block_actions",
            "user": {"id": user, "username": user.lower(), "team_id": team.id},
            "container": {"type": "message", "message_ts": card, "channel_id": CHANNEL},
            "trigger_id": slack.fresh_trigger_id(),
            "team": {"id": team.id, "domain": "acme"},
            "channel": {"id": CHANNEL, "name": "general"},
            "response_url": slack.hook(team, user, CHANNEL),
            "actions": [{"type": "button", "action_id": action_id, "value": value}],
        } | changes
        raw = urlencode({"payload": json.dumps(payload)}).encode()
        stamp = str(int(self.clock.time()))
        return await asyncio.to_thread(slack.post, "/slack/commands", raw, timestamp=stamp, base=base)

    async def whispered(self, count: int, user: str = ANN) -> list[str]:
        """Return the words that came later, once there are so many."""
        slack, team = self.office.slack, self.office.team
        await asyncio.to_thread(slack.wait, lambda: len(team.whispered(user)) >= count)
        return [one.text for one in team.whispered(user)]

    async def jobs(self) -> list[DeployJob]:
        return await self.kube.list(DeployJob, self.office.namespace)

    async def ran(self, text: str = "run deploy", *, user: str = ANN, **options: Any) -> DeployJob:
        """Start a run, and return its job."""
        before = {one.name for one in await self.jobs()}
        said = await self.say(text, user=user, **options)
        fresh = [one for one in await self.jobs() if one.name not in before]
        assert len(fresh) == 1, said
        assert fresh[0].name in said
        return fresh[0]

    async def report(self, job_id: str, status: str, **body: Any) -> None:
        """Report as the agent, and wait until the replica has it."""
        answer = await self.agent.call("POST", f"/agent/jobs/{job_id}/result", {"status": status} | body)
        assert answer.status_code in (202, 204), answer.text


@contextlib.asynccontextmanager
async def opened_shop(office: "Office", clock: MovableClock, kube: KubeClient) -> AsyncIterator[Shop]:
    """Open a shop with the trigger `deploy`, which people call Deploy Production; nobody is linked."""
    page = await office.install()
    assert page.status_code == 200, page.text
    agent = await enroll(kube, office.namespace, office.replica.base, clock=clock.time)
    name = await agent_name(kube, office.namespace, agent.agent_id)
    caches = office.replica.context.caches

    async def known() -> bool:
        found = caches.agents.get(office.namespace, name)
        return found is not None and found.workflow("deploy-prod") is not None

    await until(known, True, seconds=60)
    made = Shop(office=office, clock=clock, agent=agent, agent_name=name, kube=kube)
    await made.declare("deploy", displayName="Deploy Production")
    yield made
    await agent.close()


def trigger_id(shop: Shop, name: str) -> str:
    return object_id("tr", shop.office.namespace, name)
