"""Cards of a served apiserver: whoever holds the sweeper's Lease keeps them, with the rights that it has."""

import asyncio
import secrets

from deplite.protocol.phases import Phase
from deplite.resources import DeployJob
from tests.kube.serving import until
from tests.kube.slack.conftest import Office
from tests.kube.slack.showing import PATIENCE, shown_job, state


async def declared(office: Office) -> str:
    """Declare a job as kubectl would, of an agent that is not there."""
    body = {
        "metadata": {"name": f"j-{secrets.token_hex(13)}", "namespace": office.namespace},
        "spec": {"agent": "web", "workflow": "w", "notify": {"slack": {"channel": "C0GENERAL"}}},
    }
    return (await office.kube.create(DeployJob.model_validate(body))).name


async def test_a_job_of_a_connected_organization_has_its_card(office: Office) -> None:
    await office.install()
    name = await declared(office)

    async def shown() -> list[tuple[str, str]]:
        return [(shown_job(one), state(one)) for one in office.team.messages("C0GENERAL")]

    async def written() -> Phase | None:
        message = (await office.kube.get(DeployJob, office.namespace, name)).status.slack_message
        return None if message is None else message.phase

    await until(shown, [(name, "queued")], seconds=PATIENCE)
    await until(written, Phase.QUEUED, seconds=PATIENCE)
    cancel = {"spec": {"cancel": {"by": "somebody", "reason": "cancelled"}}}
    await office.kube.patch(DeployJob, office.namespace, name, cancel)
    await until(written, Phase.FAILED, seconds=PATIENCE)
    assert await shown() == [(name, "cancelled")]
    assert office.replica.base.removesuffix("/") in office.team.messages("C0GENERAL")[0].said


async def test_jobs_are_ended_while_slack_hangs(office: Office) -> None:
    await office.install()
    office.slack.hang(method="chat.postMessage")
    name = await declared(office)
    await asyncio.to_thread(office.slack.wait, lambda: office.slack.held("chat.postMessage") == 1, PATIENCE)
    cancel = {"spec": {"cancel": {"by": "somebody", "reason": "cancelled"}}}
    await office.kube.patch(DeployJob, office.namespace, name, cancel)

    async def ended() -> bool:
        return (await office.kube.get(DeployJob, office.namespace, name)).status.phase.finished

    await until(ended, True, seconds=PATIENCE)
    assert office.team.messages("C0GENERAL") == []
