"""Slack and two replicas: what it says to both, one after the other or at once, is done once; both know of steps."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite.local.ports import choose
from deplite.resources import DeployJob, SlackInstallation
from deplite_apiserver.settings import Settings
from tests.kube.edge.answers import refused
from tests.kube.edge.people import People
from tests.kube.replicas.conftest import Pair, leading, paired
from tests.kube.serving import MovableClock, Replica, told, until
from tests.kube.slack.conftest import (  # noqa: F401 - fixtures
    healed,
    opened,
    people,
    settings,
    settings_of_jobs,
    slack,
)
from tests.kube.slack.shop import ANN, BOB, Shop, opened_shop
from tests.slackfake import FakeSlack, Message, Reply
from tests.valkey import Valkey

RERUN = "deplite_rerun"


class WallClock(MovableClock):
    """The machine's, by which both replicas go."""

    def time(self) -> float:
        return time.time()


@contextlib.asynccontextmanager
async def shop_of(
    kube: KubeClient,
    namespace: str,
    pair: Pair,
    people: People,  # noqa: F811 - the fixture
    slack: FakeSlack,  # noqa: F811 - the fixture
) -> AsyncIterator[Shop]:
    """Open a shop at the first replica, where Ann and Bob are linked; both replicas know all of it."""
    slack.app_url = pair.one.base
    async with (
        opened(kube, namespace, pair.one, people, slack) as office,
        opened_shop(office, WallClock(), kube) as made,
    ):
        await made.link()
        await made.link(BOB, by="olga")
        await known(pair)
        yield made


async def known(pair: Pair) -> None:
    """Wait until both replicas know what is written."""
    await told(*(cache.kind for cache in pair.one.context.caches.all()))


@pytest_asyncio.fixture(scope="module")
async def pair(settings: Settings, valkey: Valkey) -> AsyncIterator[Pair]:  # noqa: F811 - the fixture
    async with paired(settings, valkey.settings, port=settings.listen_port) as made:
        yield made


@pytest_asyncio.fixture
async def shop(
    kube: KubeClient,
    organization: str,
    pair: Pair,
    people: People,  # noqa: F811 - the fixture
    slack: FakeSlack,  # noqa: F811 - the fixture
) -> AsyncIterator[Shop]:
    async with shop_of(kube, organization, pair, people, slack) as made:
        yield made


async def mention(shop: Shop, replica: Replica, text: str, event_id: str) -> None:
    """Have somebody speak to the app, and Slack tell a replica."""
    team = shop.office.team
    said = {"type": "app_mention", "user": ANN, "text": f"<@{team.bot_user}> {text}", "channel": "C0GENERAL"}
    body = {"type": "event_callback", "team_id": team.id, "event_id": event_id, "event": said}
    raw = json.dumps(body).encode()
    post = shop.office.slack.post
    reply: Reply = await asyncio.to_thread(post, "/slack/events", raw, kind="application/json", base=replica.base)
    assert (reply.status, reply.json) == (200, {})


async def fresh(shop: Shop, *known: DeployJob) -> list[DeployJob]:
    """Return the jobs that are not among those that are known."""
    return [job for job in await shop.jobs() if job.name not in {one.name for one in known}]


async def test_an_event_that_the_other_one_gets_again_is_done_and_answered_once(shop: Shop, pair: Pair) -> None:
    before = len(await shop.whispered(0))
    await mention(shop, pair.one, "run deploy main", "EvONCE")
    (job,) = await shop.jobs()
    for replica in (pair.other, pair.one, pair.other):
        await mention(shop, replica, "run deploy main", "EvONCE")
    for number, replica in enumerate(pair.both):
        await mention(shop, replica, f"status {job.name}", f"EvAFTER{number}")
    said = (await shop.whispered(before + 3))[before:]
    assert (sum(text.startswith("Started") for text in said), len(said)) == (1, 3)
    assert [one.name for one in await shop.jobs()] == [job.name]


async def test_an_event_that_both_get_at_once_is_one_run(shop: Shop, pair: Pair) -> None:
    before = len(await shop.whispered(0))
    await asyncio.gather(*(mention(shop, pair.both[number % 2], "run deploy", "EvBOTH") for number in range(6)))
    (job,) = await shop.jobs()
    assert all(job.name in text for text in (await shop.whispered(before + 1))[before:])


async def test_a_command_that_the_other_one_gets_again_never_means_a_newer_job(shop: Shop, pair: Pair) -> None:
    def again(text: str, replica: Replica) -> Any:
        return shop.say(text, trigger_id=f"1.2.{text}", base=replica.base)

    older = await shop.ran("run deploy")
    assert older.name in await again("cancel", pair.one)
    assert "Started" in await again("rerun", pair.one)
    (rerun,) = await fresh(shop, older)
    await shop.say(f"cancel {rerun.name}")
    newer = await shop.ran("run deploy", base=pair.other.base)
    for text in ("cancel", "rerun"):
        assert "Nothing more has been done" in await again(text, pair.other)
    assert await fresh(shop, older, rerun, newer) == []
    assert (await shop.kube.get(DeployJob, shop.office.namespace, newer.name)).spec.cancel is None


async def test_what_one_started_the_other_stops_at_once(shop: Shop, pair: Pair) -> None:
    for one, other in (pair.both, pair.both[::-1]):
        job = await shop.ran("run deploy", base=one.base)
        assert job.name in await shop.say("cancel", base=other.base)
        await shop.report(job.name, "failed")
        await known(pair)


async def test_a_card_that_is_pressed_at_both_starts_one_run(shop: Shop, pair: Pair) -> None:
    job = await shop.ran("run deploy")
    before = {user: len(await shop.whispered(0, user)) for user in (ANN, BOB)}
    presses = [(user, replica) for user in (ANN, BOB) for replica in pair.both] * 2
    await asyncio.gather(*(shop.press(RERUN, job.name, user=user, base=replica.base) for user, replica in presses))
    (again,) = await fresh(shop, job)
    said = [text for user in (ANN, BOB) for text in (await shop.whispered(before[user] + 4, user))[before[user] :]]
    assert all(again.name in text for text in said)
    assert sum(text.startswith("Started") for text in said) == 1


async def back_to(shop: Shop, replica: Replica, back: str) -> httpx.Response:
    """Have the browser come back from Slack to a replica."""
    parts = urlsplit(back)
    async with replica.client() as client:
        return await client.get(f"{parts.path}?{parts.query}")


async def test_a_link_connects_once_whichever_of_them_it_leads_to(shop: Shop, pair: Pair) -> None:
    first, second = await shop.office.approved(), await shop.office.approved()
    together = await asyncio.gather(*(back_to(shop, pair.both[number % 2], first) for number in range(4)))
    assert sorted(answer.status_code for answer in together) == [200, 400, 400, 400]
    assert (await back_to(shop, pair.other, second)).status_code == 200
    # The status remembers the newer one only.
    exchanged = len(shop.office.slack.calls("oauth.v2.access"))
    for back in (first, second):
        for replica in pair.both:
            answer = await back_to(shop, replica, back)
            refused(answer, 400, "invalid_state")
            assert "used already" in answer.json()["message"]
    assert len(shop.office.slack.calls("oauth.v2.access")) == exchanged


async def test_a_link_of_which_nothing_came_at_one_is_good_at_the_other(shop: Shop, pair: Pair) -> None:
    back = await shop.office.approved()
    shop.office.slack.fail(503, method="oauth.v2.access")
    refused(await back_to(shop, pair.one, back), 503, "slack_unavailable")
    shop.office.slack.heal()
    assert (await back_to(shop, pair.other, back)).status_code == 200


async def test_who_disconnects_at_the_other_takes_out_the_app_with_the_token_of_now(shop: Shop, pair: Pair) -> None:
    before = len(await shop.whispered(0))
    await mention(shop, pair.other, "help", "EvHELP")
    await shop.whispered(before + 1)  # by now it remembers a token
    shop.office.slack.slack.spoil(shop.office.team, "token_revoked")
    assert (await shop.office.install()).status_code == 200
    await known(pair)
    headers = {"Authorization": f"Bearer {shop.office.people.token('olga')}"}
    path = f"/orgs/{shop.office.namespace}/slack/installations/{shop.office.team.id}"
    assert (await pair.clients[1].delete(path, headers=headers)).status_code == 204
    assert shop.office.slack.scopes(shop.office.team) == frozenset()


async def test_a_token_that_one_replaced_is_not_held_against_the_workspace(shop: Shop, pair: Pair) -> None:
    before = len(await shop.whispered(0))
    await mention(shop, pair.other, "help", "EvOLD")
    await shop.whispered(before + 1)
    shop.office.slack.slack.spoil(shop.office.team, "token_revoked")
    assert (await shop.office.install()).status_code == 200
    await known(pair)
    await mention(shop, pair.other, "help", "EvNEW")
    await shop.whispered(before + 2)
    found = await shop.kube.get(SlackInstallation, shop.office.namespace, shop.office.object_name)
    assert (found.status.connected, found.status.reason) == (True, None)


def card_of(shop: Shop, job: DeployJob) -> Message | None:
    return next((one for one in shop.office.team.messages("C0GENERAL") if job.name in one.said), None)


async def test_a_step_is_shown_by_whoever_is_asked_and_on_the_card(shop: Shop, pair: Pair) -> None:
    await leading(pair)
    leader, other = pair.leader_first()
    job = await shop.ran("run deploy")
    shop.agent.base = other.base  # the lines come in where no cards are edited
    await shop.report(job.name, "running")
    await known(pair)
    for seq, name in enumerate(("build", "migrate <the> data")):
        items = [{"seq": seq, "stream": "raw", "content": "a line", "stepName": name}]
        answer = await shop.agent.call("POST", f"/agent/jobs/{job.name}/logs", {"items": items})
        assert answer.status_code == 200, answer.text
        word = f"step `{name.replace('<', '&lt;').replace('>', '&gt;')}`"

        async def carded(word: str = word) -> bool:
            card = card_of(shop, job)
            return card is not None and word in card.said

        await until(carded, True, seconds=120)
        for replica in pair.both:
            assert word in await shop.say(f"status {job.name}", base=replica.base)
    assert leader.context.desk.leads
    await shop.report(job.name, "success", exitCode=0)
    await known(pair)
    for replica in pair.both:
        assert "step" not in await shop.say(f"status {job.name}", base=replica.base)


async def test_while_redis_is_away_nothing_starts_twice_and_nobody_is_told_what_is_not_so(
    kube: KubeClient,
    organization: str,
    settings: Settings,  # noqa: F811 - the fixture
    mortal: Valkey,
    people: People,  # noqa: F811 - the fixture
    slack: FakeSlack,  # noqa: F811 - the fixture
) -> None:
    port = choose(["slack"], {})["slack"]  # the other pair of this module has the settings' own
    apart = settings.model_copy(update={"public_url": f"http://127.0.0.1:{port}"})
    async with (
        paired(apart, mortal.settings, port=port) as pair,
        shop_of(kube, organization, pair, people, slack) as shop,
    ):
        back = await shop.office.approved()
        await mortal.kill()
        before = len(await shop.whispered(0))
        for replica in (*pair.both, *pair.both):
            await mention(shop, replica, "run deploy main", "EvAWAY")
        (job,) = await shop.jobs()
        said = (await shop.whispered(before + 4))[before:]  # answered again, for nobody knows of the first time
        assert all(job.name in text for text in said)
        assert sum(text.startswith("Started") for text in said) == 1
        typed = [await shop.say("run deploy", trigger_id="1.2.3", base=replica.base) for replica in pair.both]
        (run,) = await fresh(shop, job)
        assert all(run.name in text for text in typed)
        before = len(await shop.whispered(0))
        for replica in pair.both:
            await shop.press(RERUN, job.name, base=replica.base)
        (again,) = await fresh(shop, job, run)
        assert all(again.name in text for text in (await shop.whispered(before + 2))[before:])
        for replica in pair.both:
            for act in ("cancel", "rerun"):
                assert f"/deplite {act} j-…" in await shop.say(act, base=replica.base)
            assert "Try again" in await shop.say("unlink", user=BOB, base=replica.base)
            refused(await back_to(shop, replica, back), 503, "unavailable")
        assert await fresh(shop, job, run, again) == []
        assert all(one.spec.cancel is None for one in await shop.jobs())
        assert job.name in await shop.say(f"cancel {job.name}", base=pair.other.base)
        await mortal.start()

        async def connected() -> int:
            return (await back_to(shop, pair.other, back)).status_code

        await until(connected, 200, seconds=60)

        async def unlinked() -> bool:
            return "not linked any more" in await shop.say("unlink", user=BOB, base=pair.one.base)

        await until(unlinked, True, seconds=60)
