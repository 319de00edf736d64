"""Who is who in Slack: codes, links, and what becomes of both."""

import asyncio
import dataclasses
from datetime import timedelta

from deplite.kube.client import KubeClient
from deplite.resources import Organization
from deplite.resources.credentials import mint
from deplite.resources.resource import utc
from deplite_apiserver.settings import Settings
from tests.kube.edge.answers import refused
from tests.kube.edge.people import ISSUER
from tests.kube.edge.trails import recorded
from tests.kube.serving import until
from tests.kube.slack.conftest import Office
from tests.kube.slack.shop import ANN, BOB, Shop


async def members(shop: Shop, *, roles: dict[str, str]) -> None:
    """Change who belongs to the organization, and wait until the replica knows."""
    people = [{"issuer": ISSUER, "subject": subject, "role": role} for subject, role in roles.items()]
    namespace = shop.office.namespace
    await shop.kube.patch(Organization, namespace, "organization", {"spec": {"members": people}})
    caches = shop.office.replica.context.caches

    async def known() -> set[str]:
        found = caches.organization(namespace)
        return {one.subject for one in found.spec.members} if found else set()

    await until(known, set(roles), seconds=60)


async def test_a_code_ties_whoever_types_it_to_who_asked_for_it(shop: Shop) -> None:
    answer = await shop.office.call("POST", f"installations/{shop.office.team.id}/link-codes")
    assert answer.status_code == 201
    made = answer.json()
    assert set(made) == {"code", "command", "expiresAt"}
    assert made["command"] == f"/deplite link {made['code']}"
    stored = await shop.office.object()
    assert made["code"] not in stored.model_dump_json()
    assert len(stored.status.link_codes) == 1

    assert "does not know yet who you are" in await shop.say("triggers")
    assert f"`{shop.office.namespace}`" in await shop.say(f"link `{made['code']}`")
    found = await shop.office.object()
    assert found.status.link_codes == ()
    (link,) = found.status.links
    assert (link.user_id, link.issuer, link.subject) == (ANN, ISSUER, "mika")
    assert (await shop.office.listed())[0]["linkedUsers"] == 1
    assert "`deploy`" in await shop.say("triggers")


async def test_a_code_works_once_and_only_the_newest_of_a_member_does(shop: Shop) -> None:
    older, newer = await shop.code(), await shop.code()
    assert "unknown, used or too old" in await shop.say(f"link {older}")
    assert "You are linked" in await shop.say(f"link {newer}")
    assert "unknown, used or too old" in await shop.say(f"link {newer}", user=BOB)
    assert [one.user_id for one in (await shop.office.object()).status.links] == [ANN]


async def test_of_twenty_who_take_a_code_at_once_one_is_linked(shop: Shop) -> None:
    code = await shop.code()
    said = await asyncio.gather(*(shop.say(f"link {code}", user=f"U0EVE{number}") for number in range(20)))
    assert sum(text.startswith("You are linked") for text in said) == 1
    assert len((await shop.office.object()).status.links) == 1


async def test_junk_is_no_code(shop: Shop) -> None:
    for code in ("lnk_x", "x", "tk_" + "a" * 36, mint("enr").plain, mint("lnk").plain):
        assert "unknown, used or too old" in await shop.say(f"link {code}")
    assert (await shop.office.object()).status.links == ()


async def test_a_code_is_too_old_after_ten_minutes(shop: Shop) -> None:
    code = await shop.code()
    shop.clock.ahead += 601
    try:
        assert "unknown, used or too old" in await shop.say(f"link {code}")
    finally:
        shop.clock.ahead -= 601


async def test_a_second_link_of_a_user_takes_the_place_of_the_first(shop: Shop) -> None:
    await shop.link()
    await shop.link(by="olga")
    (link,) = (await shop.office.object()).status.links
    assert link.subject == "olga"


async def test_who_left_the_organization_is_told_whom_to_ask(shop: Shop) -> None:
    await shop.link()
    code = await shop.code()
    await members(shop, roles={"olga": "owner"})
    for text in ("run deploy", "status", "triggers", f"link {code}"):
        assert "ask an owner" in await shop.say(text)
    assert await shop.jobs() == []
    await members(shop, roles={"olga": "owner", "mika": "member"})
    await shop.ran("run deploy")


async def test_unlinking_is_for_now_and_a_replay_of_it_is_nothing(shop: Shop) -> None:
    await shop.link()
    assert "not linked any more" in await shop.say("unlink", trigger_id="1.2.3")
    assert "does not know yet" in await shop.say("run deploy")
    assert "You were not linked" in await shop.say("unlink")
    await shop.link()
    assert "Nothing more has been done" in await shop.say("unlink", trigger_id="1.2.3")
    await shop.ran("run deploy")


async def test_a_link_is_good_in_its_workspace_only(shop: Shop) -> None:
    await shop.link()
    other = shop.office.slack.add_team(f"{shop.office.team.id}X", "Second")
    assert "not connected to an organization" in await shop.say("run deploy", team=other)
    second = dataclasses.replace(shop.office, team=other)
    assert (await second.install()).status_code == 200
    code = await shop.code()
    assert "does not know yet" in await shop.say("run deploy", team=other)
    assert "unknown, used or too old" in await shop.say(f"link {code}", team=other)
    assert await shop.jobs() == []


async def test_fifty_codes_wait_at_most(shop: Shop) -> None:
    ends = utc(shop.clock.now() + timedelta(days=365))
    codes = [
        {"sha256": f"{number:064x}", "issuer": ISSUER, "subject": f"m{number}", "notAfter": ends}
        for number in range(50)
    ]
    found = await shop.office.object()
    await shop.kube.patch_status(type(found), *found.key, {"linkCodes": codes})
    answer = await shop.office.call("POST", f"installations/{shop.office.team.id}/link-codes")
    body = refused(answer, 429, "quota_exceeded")
    assert body["retryAfter"] >= 1
    codes[0]["notAfter"] = "2020-01-01T00:00:00Z"
    await shop.kube.patch_status(type(found), *found.key, {"linkCodes": codes})
    await shop.link()


async def test_who_left_the_organization_makes_room_for_others(shop: Shop) -> None:
    found = await shop.office.object()
    now = utc(shop.clock.now())
    links = [
        {"userId": f"U0OLD{number}", "issuer": ISSUER, "subject": "mika" if number else "left", "linkedAt": now}
        for number in range(500)
    ]
    await shop.kube.patch_status(type(found), *found.key, {"links": links})
    await shop.link()
    assert "as many linked users as it may have" in await shop.say(f"link {await shop.code()}", user=BOB)
    users = [one.user_id for one in (await shop.office.object()).status.links]
    assert (len(users), users[0], users[-1]) == (500, "U0OLD1", ANN)


async def test_only_members_get_codes_and_only_for_a_workspace_of_theirs(shop: Shop, rival: Office) -> None:
    path = f"installations/{shop.office.team.id}/link-codes"
    refused(await shop.office.call("POST", path, by="nobody"), 404, "not_found")
    refused(await shop.office.call("POST", "installations/T0ABSENT/link-codes"), 404, "not_found")
    refused(await rival.call("POST", path), 404, "not_found")
    assert (await shop.office.object()).status.link_codes == ()


async def test_the_audit_record_has_both_names_and_no_code(shop: Shop, settings: Settings, kube: KubeClient) -> None:
    await shop.link()
    job = await shop.ran("run deploy replicas=5", trigger_id="4.5.6")
    await shop.say("run deploy replicas=5", trigger_id="4.5.6")
    await shop.say("run nothing")
    await shop.say("cancel")
    await shop.say("unlink")
    found = await recorded(shop.office.replica, settings, shop.office.namespace)
    acts = [(one["action"], one["object"]["id"], one["outcome"]) for one in found]
    team = shop.office.team.id
    assert acts[-5:] == [
        ("slack.code_minted", team, "done"),
        ("slack.linked", team, "done"),
        ("job.created", job.name, "done"),
        ("job.cancel_asked", job.name, "done"),
        ("slack.unlinked", team, "done"),
    ]
    assert found[-3]["who"] == {"kind": "slack", "id": f"{team}/{ANN}", "member": f"{ISSUER}#mika"}
    assert "lnk_" not in str(found)
