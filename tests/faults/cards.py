"""Which cards there are in the fake Slack for the jobs of a test, and which posts nobody has written down."""

import asyncio
import re
import secrets
from collections import defaultdict
from collections.abc import Collection

from deplite.resources import DeployJob
from tests.faults.caller import Caller
from tests.faults.fleet import FleetAgent
from tests.faults.site import Site
from tests.slackfake import Call, FakeSlack, Message
from tests.slackfake.workspace import texts

_JOB = re.compile(r"j-[a-z2-7]{26}")


async def callers(site: Site, slack: FakeSlack, agent: FleetAgent, count: int, when: str = "always") -> list[Caller]:
    """Make triggers that tell of their runs in a channel of their own each."""
    made = []
    for _ in range(count):
        channel = slack.team.add_channel(f"C{secrets.token_hex(5).upper()}").id
        made.append(await Caller.for_agent(site, agent, notify={"slack": {"channel": channel, "when": when}}))
    return made


def jobs_of(callers: Collection[Caller]) -> list[str]:
    """All jobs that were acknowledged to them."""
    return [job for caller in callers for job in caller.acknowledged]


def cards(slack: FakeSlack, jobs: Collection[str]) -> dict[str, list[Message]]:
    """The cards of each job, oldest first."""
    found: dict[str, list[Message]] = {job: [] for job in jobs}
    for message in slack.team.all_messages():
        for job in set(_JOB.findall(message.said)) & found.keys():
            found[job].append(message)
    return found


def posted(slack: FakeSlack, *, outcome: str | None = None) -> dict[str, list[Call]]:
    """The posts that Slack has done for each job, whoever heard of them."""
    found: dict[str, list[Call]] = defaultdict(list)
    for call in slack.calls("chat.postMessage", outcome):
        if call.done:
            said = " ".join([str(call.arguments.get("text", "")), *texts(call.arguments.get("blocks", []))])
            for job in set(_JOB.findall(said)):
                found[job].append(call)
    return found


async def written_down(site: Site) -> set[str]:
    """The jobs of which the cluster knows the message."""
    async with site.kube() as kube:
        return {job.name for job in await kube.list(DeployJob, site.organization) if job.status.slack_message}


async def all_show_the_end(slack: FakeSlack, jobs: Collection[str], seconds: float = 150) -> dict[str, list[Message]]:
    """Wait until each job has a card, and the newest of each says how it ended; return them."""

    def missing() -> list[str]:
        return [job for job, found in cards(slack, jobs).items() if not found or not ended(found[-1])]

    async with asyncio.timeout(seconds):
        while missing():
            await asyncio.sleep(0.2)
    return cards(slack, jobs)


def ended(card: Message) -> bool:
    """Whether a card shows the end: nothing is left to cancel, and it can be run again."""
    return card.button("deplite_rerun") is not None and card.button("deplite_cancel") is None
