"""Buttons of cards: as commands, but the words come later, and a card starts one run, whoever presses."""

import asyncio

from deplite.resources import DeployJob, Trigger
from tests.kube.slack.conftest import Office
from tests.kube.slack.shop import ANN, BOB, Shop

CANCEL, RERUN = "deplite_cancel", "deplite_rerun"


async def test_a_press_stops_a_job_and_says_so_to_who_pressed(shop: Shop) -> None:
    await shop.link()
    job = await shop.ran()
    await shop.report(job.name, "running")
    before = len(await shop.whispered(0))
    for number, part in enumerate(("is being stopped;", "is being stopped already"), start=1):
        reply = await shop.press(CANCEL, job.name)
        assert (reply.status, reply.raw) == (200, b"")
        assert part in (await shop.whispered(before + number))[-1]
    stopped = await shop.kube.get(DeployJob, shop.office.namespace, job.name)
    assert stopped.spec.cancel is not None
    assert stopped.spec.cancel.by == f"{shop.office.team.id}/{ANN}"


async def test_a_card_starts_one_run_and_everybody_learns_which(shop: Shop) -> None:
    await shop.link()
    await shop.link(BOB, by="olga")
    job = await shop.ran("run deploy main replicas=7")
    before = {user: len(await shop.whispered(0, user)) for user in (ANN, BOB)}
    replies = await asyncio.gather(*(shop.press(RERUN, job.name, user=user) for user in (ANN, BOB, ANN, BOB)))
    assert all((reply.status, reply.raw) == (200, b"") for reply in replies)
    (again,) = [one for one in await shop.jobs() if one.name != job.name]
    assert (again.spec.ref, again.spec.params) == ("main", {"replicas": 7})
    assert again.spec.notify is not None
    assert again.spec.notify.slack.channel == "C0GENERAL"
    said = [text for user in (ANN, BOB) for text in (await shop.whispered(before[user] + 2, user))[before[user] :]]
    assert all(again.name in text for text in said)
    assert sorted(text.startswith("Started") for text in said) == [False, False, False, True]

    shop.clock.ahead += 600  # and that stays so
    try:
        for user in (ANN, BOB):
            await shop.press(RERUN, job.name, user=user)
            assert again.name in (await shop.whispered(before[user] + 3, user))[-1]
        assert len(await shop.jobs()) == 2
        await shop.press(RERUN, job.name, card="1700000000.000200")  # another card has a button of its own
        await shop.whispered(before[ANN] + 4)
        assert len(await shop.jobs()) == 3
    finally:
        shop.clock.ahead -= 600


async def test_a_press_that_is_refused_says_why_and_may_be_tried_again(shop: Shop) -> None:
    job_id = "j-" + "c" * 26
    await shop.press(RERUN, job_id)
    assert "does not know yet who you are" in (await shop.whispered(1))[-1]
    await shop.link()
    before = len(await shop.whispered(0))
    await shop.press(RERUN, job_id)
    assert "There is no such job" in (await shop.whispered(before + 1))[-1]
    await shop.press(CANCEL, "../../x")
    assert "There is no such job" in (await shop.whispered(before + 2))[-1]
    await shop.declare("locked")
    job = await shop.ran("run locked")
    patched = {"spec": {"suspended": True}}
    locked = await shop.kube.patch(Trigger, shop.office.namespace, "locked", patched)
    shop.office.replica.context.caches.triggers.note(locked)
    before = len(await shop.whispered(0))
    await shop.press(RERUN, job.name)
    assert "suspended" in (await shop.whispered(before + 1))[-1]
    opened = await shop.kube.patch(Trigger, shop.office.namespace, "locked", {"spec": {"suspended": False}})
    shop.office.replica.context.caches.triggers.note(opened)
    await shop.press(RERUN, job.name)
    assert "Started" in (await shop.whispered(before + 2))[-1]


async def test_a_job_of_another_organization_is_none(shop: Shop, rival: Office) -> None:
    await shop.link()
    body = {
        "metadata": {"name": "j-" + "d" * 26, "namespace": rival.namespace},
        "spec": {"agent": "web", "workflow": "x", "trigger": "deploy"},
    }
    theirs = await shop.kube.create(DeployJob.model_validate(body))
    before = len(await shop.whispered(0))
    for number, action in enumerate((CANCEL, RERUN), start=1):
        await shop.press(action, theirs.name)
        assert "There is no such job" in (await shop.whispered(before + number))[-1]
    untouched = await shop.kube.get(DeployJob, rival.namespace, theirs.name)
    assert untouched.spec.cancel is None


async def test_an_address_that_is_not_slacks_gets_nothing(shop: Shop) -> None:
    await shop.link()
    job = await shop.ran()
    for url in ("http://127.0.0.1:1/x", "https://hooks.slack.com.evil.test/x", "", None, 7):
        reply = await shop.press(CANCEL, job.name, response_url=url)
        assert (reply.status, reply.raw) == (200, b"")
    stopped = await shop.kube.get(DeployJob, shop.office.namespace, job.name)
    assert stopped.spec.cancel is not None
