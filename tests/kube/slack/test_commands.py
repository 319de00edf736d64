"""Commands: what a member may do by REST is done from Slack, by the same rules and with words for every refusal."""

import asyncio
import re
from urllib.parse import urlencode

from deplite.resources import Agent, DeployJob, Trigger
from tests.kube.serving import until
from tests.kube.slack.conftest import Office
from tests.kube.slack.shop import ANN, BOB, Shop, trigger_id

NAMES_OF_OURS = re.compile(r"deplite\.io|kubernetes|Traceback|resourceVersion|KubeError", re.IGNORECASE)


async def test_a_member_starts_a_run(shop: Shop) -> None:
    await shop.link()
    job = await shop.ran("run deploy release/1.0 replicas=3")
    spec = job.spec
    assert (spec.trigger, spec.workflow, spec.ref, spec.params) == (
        "deploy",
        "deploy-prod",
        "release/1.0",
        {"replicas": 3},
    )
    team = shop.office.team.id
    assert spec.requested_by.wire() == {"kind": "slack", "id": f"{team}/{ANN}", "name": "ann"}
    assert spec.notify is not None
    assert spec.notify.wire() == {"slack": {"channel": "C0GENERAL", "teamId": team, "when": "always"}}


async def test_a_trigger_has_several_names(shop: Shop) -> None:
    await shop.link()
    for named in ("deploy", '"deploy production"', "“Deploy Production”", trigger_id(shop, "deploy")):
        assert (await shop.ran(f"run {named}")).spec.trigger == "deploy"


async def test_a_repeat_of_slack_is_the_same_run(shop: Shop) -> None:
    await shop.link()
    said = [await shop.say("run deploy main", trigger_id="123.456.abcdef") for _ in range(3)]
    (job,) = await shop.jobs()
    assert all(job.name in text for text in said)
    assert said[0].startswith("Started")
    assert "already" in said[1]
    together = await asyncio.gather(*(shop.say("run deploy", trigger_id="9.9.9") for _ in range(8)))
    assert len(await shop.jobs()) == 2
    assert sum("already" not in text for text in together) == 1


async def test_a_new_command_is_a_new_run(shop: Shop) -> None:
    await shop.link()
    assert (await shop.ran("run deploy")).name != (await shop.ran("run deploy")).name


REFUSED = [
    ("run deploi", "Did you mean `deploy`?"),
    ("run zzz", "There is no such trigger."),
    ("run deploy -rf", "ref"),
    ("run deploy a..b", "ref"),
    ("run deploy replicas=many", "params.replicas must be a number"),
    ("run deploy replicas=21", "params.replicas must be at most 20"),
    ("run deploy nope=1", "params.nope is not a param"),
    ("run deploy --workflow other", "workflowName must be deploy-prod"),
    ("run locked", "The trigger is suspended"),
    ("run strict dev", "allowedRefs"),
    ("run gone", "not reported a workflow"),
    ("run any", "workflowName is required"),
    ("run same", "More than one is called so"),
    ("deploy now", "There is no such command"),
    ('run "deploy', "not closed"),
    ("status j-zzzzzzz", "There is no such job"),
    ("cancel j-" + "a" * 26, "There is no such job"),
    ("logs j-" + "a" * 26, "There is no such job"),
    ("rerun deploy", "There is no such job"),
    ("status", "You have started no job"),
    ("run deploy x=" + "y" * 4097, "params.x may have at most"),
    ("run " + "x" * 13_000, "too long"),
]


async def test_each_refusal_is_told_and_changes_nothing(shop: Shop) -> None:
    await shop.link()
    await shop.declare("locked", suspended=True)
    await shop.declare("strict", allowedRefs=["main"])
    await shop.declare("gone", workflow="unknown")
    await shop.declare("any", scope="agent", workflow=None)
    await shop.declare("same-a", displayName="Same")
    await shop.declare("same-b", displayName="SAME")
    for text, part in REFUSED:
        said = await shop.say(text)
        assert part in said, (text[:100], said)
        assert not NAMES_OF_OURS.search(said)
    assert await shop.jobs() == []


async def test_a_rate_limit_says_when_to_try_again(shop: Shop) -> None:
    await shop.link()
    limits = {"spec": {"workflowRateLimits": [{"workflow": "deploy-prod", "perHour": 1}]}}
    await shop.kube.patch(Agent, shop.office.namespace, shop.agent_name, limits)
    caches = shop.office.replica.context.caches

    async def limited() -> int:
        found = caches.agents.get(shop.office.namespace, shop.agent_name)
        return len(found.spec.workflow_rate_limits) if found else 0

    await until(limited, 1, seconds=60)
    await shop.ran("run deploy")
    said = await shop.say("run deploy")
    assert re.search(r"Rate limit exceeded\. Try again in \d+ s\.", said)
    assert len(await shop.jobs()) == 1


async def test_status_logs_and_cancel_by_whatever_names_a_job(shop: Shop) -> None:
    await shop.link()
    job = await shop.ran("run deploy main")
    for named in ("", job.name, job.name[:6], "deploy", '"deploy production"'):
        said = await shop.say(f"status {named}")
        assert job.name in said
        assert "queued" in said
        assert f"/api/jobs/{job.name}|details>" in said
    items = [{"seq": seq, "stream": "raw", "content": f"line {seq} <!here> tk_{'a' * 36}"} for seq in range(40)]
    assert (await shop.agent.call("POST", f"/agent/jobs/{job.name}/logs", {"items": items})).status_code == 200
    logs = await shop.say("logs")
    assert "line 39 &lt;!here&gt; ***" in logs
    assert "line 9 " not in logs
    assert job.name in await shop.say(f"cancel {job.name}")
    assert "already" in await shop.say("cancel deploy")
    stopped = await shop.kube.get(DeployJob, shop.office.namespace, job.name)
    assert stopped.spec.cancel is not None
    assert stopped.spec.cancel.by == f"{shop.office.team.id}/{ANN}"


async def test_what_has_ended_is_not_stopped_but_can_be_run_again(shop: Shop) -> None:
    await shop.link()
    job = await shop.ran("run deploy main replicas=4")
    await shop.report(job.name, "running")
    await shop.report(job.name, "failed", exitCode=3)
    assert "has ended (failed); there is nothing to stop" in await shop.say("cancel")
    assert "Exit code 3." in await shop.say("status")
    again = await shop.ran("rerun")
    assert (again.spec.ref, again.spec.params) == ("main", {"replicas": 4})


async def test_of_several_jobs_none_is_stopped_by_chance(shop: Shop) -> None:
    await shop.link()
    one, other = await shop.ran(), await shop.ran()
    for text in ("cancel", "cancel deploy", "cancel j-"):
        said = await shop.say(text)
        assert "Nothing has been" in said or "no such job" in said
    assert all(job.spec.cancel is None for job in await shop.jobs())
    await shop.say(f"cancel {one.name}")
    stopped = await shop.kube.get(DeployJob, shop.office.namespace, other.name)
    assert stopped.spec.cancel is None


async def test_a_repeat_never_means_a_newer_job(shop: Shop) -> None:
    await shop.link()
    await shop.declare("other")
    one = await shop.ran("run deploy")
    for text in ("cancel", "cancel deploy", "rerun"):
        await shop.say(text, trigger_id=f"1.2.{text.replace(' ', '')}")
    for job in await shop.jobs():
        await shop.say(f"cancel {job.name}")
        await shop.report(job.name, "failed")
    before = {job.name for job in await shop.jobs()}
    newer = {(await shop.ran(f"run {name}")).name for name in ("deploy", "other")}
    for text in ("cancel", "cancel deploy", "rerun"):
        assert "Nothing more has been done" in await shop.say(text, trigger_id=f"1.2.{text.replace(' ', '')}")
    jobs = {job.name: job for job in await shop.jobs()}
    assert set(jobs) == before | newer
    assert all(jobs[name].spec.cancel is None for name in newer)
    # What names its job by id means the same one for ever.
    for _ in range(2):
        assert "has ended" in await shop.say(f"cancel {one.name}", trigger_id="1.2.3")


async def test_a_stranger_learns_nothing_of_what_there_is(shop: Shop) -> None:
    await shop.link()
    job = await shop.ran("run deploy")
    names = ("deploy", "nothing", job.name, job.name[:8], "j-" + "a" * 26)
    texts = [f"{act} {name}" for act in ("run", "status", "logs", "cancel", "rerun") for name in names]
    said = {await shop.say(text, user=BOB) for text in (*texts, "triggers", "status", "cancel")}
    assert len(said) == 1
    assert "does not know yet who you are" in said.pop()


async def test_each_person_has_a_newest_job_of_their_own(shop: Shop) -> None:
    await shop.link()
    await shop.link(BOB, by="olga")
    mine, theirs = await shop.ran(), await shop.ran(user=BOB)
    assert mine.name in await shop.say("status")
    assert theirs.name in await shop.say("status", user=BOB)


async def test_triggers_are_listed(shop: Shop) -> None:
    await shop.link()
    await shop.declare("evil", displayName="<!channel> *x*")
    said = await shop.say("triggers")
    assert "`deploy` (Deploy Production)" in said
    assert "<!channel>" not in said


async def test_a_command_may_be_called_otherwise(shop: Shop) -> None:
    said = await shop.say("help", command="/ship")
    assert "`/ship run TRIGGER" in said
    assert "/deplite " not in said
    assert "`/deplite run" in await shop.say("help", command="<!channel>")


async def test_a_sync_trigger_does_not_keep_slack_waiting(shop: Shop) -> None:
    await shop.link()
    await shop.declare("slow", responseMode="sync")
    job = await shop.ran("run slow")
    assert job.status.phase.wire == "queued"


async def test_jobs_of_another_organization_are_none(shop: Shop, rival: Office) -> None:
    await shop.link()
    spec = {"agent": "web", "workflow": "x", "trigger": "deploy"}
    body = {"metadata": {"name": "j-" + "b" * 26, "namespace": rival.namespace}, "spec": spec}
    theirs = await shop.kube.create(DeployJob.model_validate(body))
    for text in (f"status {theirs.name}", f"cancel {theirs.name}", f"logs {theirs.name}", f"rerun {theirs.name[:8]}"):
        assert "There is no such job" in await shop.say(text)


async def test_a_trigger_that_is_gone_is_told(shop: Shop) -> None:
    await shop.link()
    await shop.declare("brief")
    job = await shop.ran("run brief")
    await shop.kube.delete(Trigger, shop.office.namespace, "brief")
    caches = shop.office.replica.context.caches

    async def there() -> bool:
        return caches.triggers.get(shop.office.namespace, "brief") is not None

    await until(there, False, seconds=60)
    assert "trigger does not exist any more" in await shop.say(f"rerun {job.name}")


async def test_where_the_channel_has_no_id_the_card_goes_to_the_person(shop: Shop) -> None:
    await shop.link()
    slack, stamp = shop.office.slack, str(int(shop.clock.time()))
    for channel, told in (("", ANN), ("#general", ANN), ("G" * 40, ANN), ("D012ABCDEF", "D012ABCDEF")):
        form = slack.command_form("run deploy", ANN, "C0GENERAL", shop.office.team) | {"channel_id": channel}
        reply = await asyncio.to_thread(slack.post, "/slack/commands", urlencode(form).encode(), timestamp=stamp)
        assert reply.text.startswith("Started"), reply.text
        (job,) = [one for one in await shop.jobs() if one.name in reply.text]
        assert job.spec.notify is not None
        assert job.spec.notify.slack.channel == told
