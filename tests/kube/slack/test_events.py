"""Events: mentions are commands, the home tab shows what there is, and a workspace that goes is forgotten."""

import asyncio
import json
from typing import Any

import pytest

from deplite.kube.errors import NotFoundError
from deplite_apiserver.settings import Settings
from deplite_apiserver.shared.once import MemoryOnce
from deplite_apiserver.slack.seen import Seen
from tests.kube.edge.trails import recorded
from tests.kube.serving import until
from tests.kube.slack.shop import ANN, BOB, Shop
from tests.slackfake import Reply


async def event(shop: Shop, said: dict[str, Any], **envelope: Any) -> Reply:
    """Send an event at the time of the replica's clock."""
    body = {
        "type": "event_callback",
        "team_id": shop.office.team.id,
        "event_id": f"Ev{shop.office.slack.fresh_trigger_id()}",
        "event_time": int(shop.clock.time()),
        "event": said,
    } | envelope
    return await asyncio.to_thread(
        shop.office.slack.post,
        "/slack/events",
        json.dumps(body).encode(),
        kind="application/json",
        timestamp=str(int(shop.clock.time())),
    )


def mention(shop: Shop, text: str, user: str = ANN, **more: Any) -> dict[str, Any]:
    said = f"<@{shop.office.team.bot_user}> {text}"
    return {"type": "app_mention", "user": user, "text": said, "ts": "1.2", "channel": "C0GENERAL"} | more


async def test_a_mention_is_a_command_whose_answer_one_person_sees(shop: Shop) -> None:
    await shop.link()
    before = len(await shop.whispered(0))
    reply = await event(shop, mention(shop, "run deploy main"), event_id="EvRUN")
    assert (reply.status, reply.json) == (200, {})
    (job,) = await shop.jobs()
    assert job.name in (await shop.whispered(before + 1))[-1]
    assert job.spec.requested_by.id == f"{shop.office.team.id}/{ANN}"
    assert job.spec.notify is not None
    assert job.spec.notify.slack.channel == "C0GENERAL"
    # Slack's repeat is known by its id; after a restart the job's name knows it.
    assert (await event(shop, mention(shop, "run deploy main"), event_id="EvRUN")).status == 200
    shop.office.replica.context.slack.door.seen = Seen(MemoryOnce())
    assert (await event(shop, mention(shop, "run deploy main"), event_id="EvRUN")).status == 200
    assert [one.name for one in await shop.jobs()] == [job.name]
    assert "already" in (await shop.whispered(before + 2))[-1]


async def test_a_mention_of_who_is_not_linked_is_answered_too(shop: Shop) -> None:
    await event(shop, mention(shop, "run deploy", user=BOB))
    assert "does not know yet who you are" in (await shop.whispered(1, BOB))[-1]
    await event(shop, mention(shop, "", user=BOB))
    assert "run TRIGGER" in (await shop.whispered(2, BOB))[-1]
    assert await shop.jobs() == []


async def test_bots_and_edited_messages_start_nothing(shop: Shop) -> None:
    await shop.link()
    for said in (
        mention(shop, "run deploy", bot_id="B1"),
        mention(shop, "run deploy", edited={"user": ANN, "ts": "1.3"}),
        {"type": "app_mention", "text": "run deploy"},
        {"type": "app_mention", "user": 7},
        {"type": "message", "user": ANN, "text": "run deploy"},
        {},
    ):
        assert (await event(shop, said)).status == 200
    assert (await event(shop, mention(shop, "run deploy"), team_id="E0ENTERPRISE")).status == 200
    assert (await event(shop, mention(shop, "run deploy"), team_id="T0UNKNOWN")).status == 200
    assert await shop.jobs() == []


async def test_the_home_tab_shows_what_there_is_to_members_only(shop: Shop) -> None:
    opened = {"type": "app_home_opened", "user": ANN, "channel": "D1", "tab": "home"}
    team, slack = shop.office.team, shop.office.slack
    await event(shop, opened | {"tab": "messages"})
    await event(shop, opened)
    await asyncio.to_thread(slack.wait, lambda: ANN in team.homes)
    assert "does not know yet who you are" in json.dumps(team.homes[ANN])
    assert "Deploy Production" not in json.dumps(team.homes[ANN])
    await shop.link()
    job = await shop.ran()
    await event(shop, opened)
    await asyncio.to_thread(slack.wait, lambda: job.name in json.dumps(team.homes[ANN]))
    assert "Deploy Production" in json.dumps(team.homes[ANN])


async def gone(shop: Shop) -> bool:
    try:
        await shop.office.object()
    except NotFoundError:
        return True
    return False


async def test_a_workspace_that_took_the_app_out_is_forgotten(shop: Shop, settings: Settings) -> None:
    await shop.link()
    replies = await asyncio.to_thread(shop.office.slack.uninstall, team=shop.office.team)
    assert [reply.status for reply in replies] == [200, 200]
    assert await gone(shop)
    assert "not connected to an organization" in await shop.say("run deploy")
    found = await recorded(shop.office.replica, settings, shop.office.namespace)
    (one,) = [one for one in found if one["action"] == "slack.uninstalled"]
    assert (one["object"]["id"], one["outcome"]) == (shop.office.team.id, "done")


async def test_while_slack_cannot_confirm_it_it_is_to_tell_it_again(shop: Shop) -> None:
    shop.office.slack.fail(503)
    assert (await event(shop, {"type": "app_uninstalled"}, event_id="EvGONE")).status == 503
    assert not await gone(shop)
    shop.office.slack.heal()
    assert (await event(shop, {"type": "app_uninstalled"}, event_id="EvGONE")).status == 200
    assert not await gone(shop)  # the token is good: the word was of an earlier time


async def test_tokens_of_users_are_none_of_ours(shop: Shop) -> None:
    await event(shop, {"type": "tokens_revoked", "tokens": {"oauth": [ANN], "bot": []}})
    await event(shop, {"type": "tokens_revoked", "tokens": "x"})
    await shop.link()


async def test_answers_that_slack_does_not_take_stop_nothing(shop: Shop) -> None:
    await shop.link()
    shop.office.slack.fail(503)
    for _ in range(20):
        assert (await event(shop, mention(shop, "status"))).status == 200
    shop.office.slack.heal()
    before = len(await shop.whispered(0))
    await event(shop, mention(shop, "run deploy"))
    await shop.whispered(before + 1)
    assert len(await shop.jobs()) == 1


@pytest.mark.parametrize("code", ["token_revoked", "account_inactive"])
async def test_a_token_that_slack_refuses_is_noted(shop: Shop, code: str) -> None:
    await shop.link()
    shop.office.slack.slack.spoil(shop.office.team, code)
    await event(shop, mention(shop, "status"))

    async def connected() -> bool:
        return (await shop.office.listed())[0]["connected"]  # type: ignore[no-any-return]

    await until(connected, False, seconds=60)
