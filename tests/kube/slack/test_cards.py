"""Cards that follow jobs: one a job, which shows its end, whatever Slack and we go through meanwhile."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite.protocol.phases import Phase, Reason
from deplite_apiserver.caches import Caches
from deplite_apiserver.clock import SystemClock
from deplite_apiserver.jobs.view import JobView
from deplite_apiserver.metrics.metrics import Metrics
from deplite_apiserver.settings import Waits
from deplite_apiserver.slack.outbox import Tempo
from tests.kube.serving import MovableClock, until
from tests.kube.slack.showing import PATIENCE, Stage, shown_job, state
from tests.slackfake import FakeSlack


@pytest_asyncio.fixture(scope="module")
async def caches(kube: KubeClient) -> AsyncIterator[Caches]:
    made = Caches(kube, Waits())
    task = asyncio.create_task(made.run(Metrics().watch_failures))
    await asyncio.gather(*(cache.wait_synced() for cache in made.all()))
    yield made
    task.cancel()
    await asyncio.wait([task])


@pytest_asyncio.fixture
async def stage(
    kube: KubeClient, organization: str, caches: Caches, slack: FakeSlack, tmp_path: Path
) -> AsyncIterator[Stage]:
    made = Stage(
        kube=kube,
        namespace=organization,
        slack=slack,
        team=slack.add_team(f"T{secrets.token_hex(5).upper()}"),
        caches=caches,
        clock=SystemClock(),
        folder=tmp_path,
    )
    caches.slack.note(await made.connect())
    yield made
    await made.disconnect()


async def test_one_message_follows_a_job_from_its_beginning_to_its_end(stage: Stage) -> None:
    async with stage.worker():
        name = await stage.job(ref="main")
        await stage.shows({name: ["queued"]})
        await stage.claim(name)
        await stage.shows({name: ["running"]})
        stage.steps.note(_view(stage, name), "build")
        await until(lambda: _said(stage, name, "step `build`"), True, seconds=PATIENCE)
        await stage.succeed(name, output={"url": "https://x"})
        await stage.shows({name: ["succeeded"]})
        await stage.nothing_owed()
    (message,) = stage.messages()[name]
    assert "url = https://x" in message.said
    assert message.button("deplite_rerun")
    written = (await stage.read(name)).status.slack_message
    assert written is not None
    assert (written.team_id, written.channel, written.ts) == (stage.team.id, "C0GENERAL", message.ts)
    assert written.phase is Phase.SUCCEEDED


async def test_nothing_is_posted_or_edited_past_the_lease(stage: Stage) -> None:
    """Its sender stood still: whoever holds the Lease by then posts and edits."""
    held, asked = float(PATIENCE), 0

    def left() -> float:
        nonlocal asked
        asked += 1
        return held

    async def tried(times: int) -> bool:
        return asked >= times

    async with stage.worker(left=left):
        name = await stage.job()
        await stage.shows({name: ["queued"]})
        calls, held, asked = len(stage.calls()), 0.0, 0
        await stage.claim(name)
        await until(lambda: tried(1), True, seconds=PATIENCE)
        other = await stage.job()
        asked = 0
        await until(lambda: tried(3), True, seconds=PATIENCE)
        assert len(stage.calls()) == calls
        held = float(PATIENCE)
        await stage.shows({name: ["running"], other: ["queued"]})
    assert len(stage.calls()) == calls + 2


async def test_a_wish_that_a_job_stops_is_shown(stage: Stage) -> None:
    async with stage.worker():
        name = await stage.job()
        await stage.claim(name)
        await stage.shows({name: ["running"]})
        body = {"spec": {"cancel": {"by": "somebody", "reason": "cancelled"}}}
        stage.caches.jobs.note(await stage.kube.patch(type(await stage.read(name)), stage.namespace, name, body))
        await until(lambda: _said(stage, name, "asked to stop"), True, seconds=PATIENCE)


@pytest.mark.parametrize(
    ("reason", "claimed", "word"),
    [
        (Reason.CANCELLED, False, "cancelled"),
        (Reason.SUPERSEDED, False, "superseded"),
        (Reason.EXPIRED, False, "failed"),
        (Reason.REJECTED, False, "refused"),
        (Reason.AGENT_LOST, True, "failed"),
        (Reason.TIMEOUT, True, "failed"),
    ],
)
async def test_every_end_is_shown(stage: Stage, reason: Reason, claimed: bool, word: str) -> None:
    async with stage.worker():
        name = await stage.job()
        await stage.shows({name: ["queued"]})
        if claimed:
            await stage.claim(name)
        await stage.fail(name, reason)
        await stage.shows({name: [word]})
        await stage.nothing_owed()


async def test_where_only_failures_are_told_a_failure_has_one_message(stage: Stage) -> None:
    async with stage.worker():
        good, bad, stopped = [await stage.job(when="failure") for _ in range(3)]
        for name in (good, bad):
            await stage.claim(name)
        await stage.succeed(good)
        await stage.fail(stopped, Reason.CANCELLED)
        await stage.fail(bad, Reason.AGENT_LOST)
        await stage.shows({bad: ["failed"]})
    assert (await stage.read(good)).status.slack_message is None
    assert stage.messages()[bad][0].edits == 0


async def test_what_happened_while_nobody_looked_is_taken_up(stage: Stage) -> None:
    ended, queued = await stage.job(), await stage.job()
    async with stage.worker():
        await stage.shows({ended: ["queued"], queued: ["queued"]})
        await until(lambda: _written(stage, ended), True, seconds=PATIENCE)
        await until(lambda: _written(stage, queued), True, seconds=PATIENCE)
    await stage.claim(ended)
    await stage.succeed(ended)
    new = await stage.job()
    async with stage.worker():
        await stage.shows({ended: ["succeeded"], queued: ["queued"], new: ["queued"]})
        await until(lambda: _phase(stage, ended), Phase.SUCCEEDED, seconds=PATIENCE)
    assert [one.edits for one in stage.messages()[queued]] == [0]


async def burst(stage: Stage, names: list[str]) -> None:
    """Let all jobs run and end, at once and without a thought of Slack."""
    await asyncio.gather(*(stage.claim(name) for name in names))
    await asyncio.gather(*(stage.succeed(name) for name in names[::2]))
    await asyncio.gather(*(stage.fail(name, Reason.AGENT_LOST) for name in names[1::2]))


def ends(names: list[str]) -> dict[str, list[str]]:
    return {name: ["succeeded" if number % 2 == 0 else "failed"] for number, name in enumerate(names)}


def windows(stage: Stage) -> None:
    """Answer 429 by real windows, as Slack does: our own pace does not know them here."""
    stage.slack.pace("chat.postMessage", calls=10, seconds=1)
    stage.slack.pace("chat.update", calls=10, seconds=1)


async def test_a_hundred_jobs_at_once_and_a_restart_in_the_middle(stage: Stage) -> None:
    windows(stage)
    async with stage.worker():
        names = await asyncio.gather(*(stage.job() for _ in range(100)))
        await until(lambda: _at_least(stage, 30), True, seconds=PATIENCE)
    running = asyncio.create_task(burst(stage, names))
    async with stage.worker():
        await until(lambda: _at_least(stage, 60), True, seconds=PATIENCE)
    await running
    async with stage.worker():
        await stage.shows(ends(names))
        await stage.nothing_owed()


async def test_a_hundred_jobs_at_once_have_one_message_each_whatever_trouble_slack_is_in(stage: Stage) -> None:
    windows(stage)
    stage.slack.delay(0.05, times=20)
    stage.slack.limit(times=2)
    stage.slack.fail(503, times=3)
    stage.slack.fail(200, times=1, body="<html>")
    async with stage.worker():
        names = await asyncio.gather(*(stage.job() for _ in range(100)))
        await burst(stage, names)
        await stage.shows(ends(names))
        await stage.nothing_owed()
    assert stage.calls(outcome="429")
    assert len(stage.calls("chat.postMessage", "ok")) == 100


async def test_who_does_not_hold_the_lease_sends_nothing(stage: Stage) -> None:
    async with stage.worker(leads=lambda: False):
        name = await stage.job()
        async with stage.worker():
            await stage.shows({name: ["queued"]})
    assert len(stage.calls("chat.postMessage")) == 1


async def test_jobs_go_on_while_slack_hangs(stage: Stage) -> None:
    stage.slack.hang()
    async with stage.worker():
        names = [await stage.job() for _ in range(3)]
        await until(lambda: _held(stage), True, seconds=PATIENCE)
        await burst(stage, names)
        assert stage.slack.held("chat.postMessage") == 1
        for name in names:
            assert (await stage.read(name)).status.phase.finished
        stage.slack.heal()
        await stage.shows(ends(names))


async def test_jobs_go_on_while_slack_refuses_connections(stage: Stage) -> None:
    stage.slack.down()
    try:
        async with stage.worker():
            names = [await stage.job() for _ in range(3)]
            await burst(stage, names)
            for name in names:
                assert (await stage.read(name)).status.phase.finished
            stage.slack.up()
            await stage.shows(ends(names))
            await stage.nothing_owed()
    finally:
        if not stage.slack.accepting:
            stage.slack.up()


async def test_the_next_change_of_phase_needs_no_second_try_after_a_card_was_written_down(stage: Stage) -> None:
    async with stage.worker():
        name = await stage.job()
        await until(lambda: _written(stage, name), True, seconds=PATIENCE)
    known = stage.recent.take(stage.namespace, name)
    assert known is not None
    assert known.metadata.resource_version == (await stage.read(name)).metadata.resource_version
    assert known.status.slack_message is not None


async def test_a_message_that_somebody_deleted_is_not_posted_again(stage: Stage) -> None:
    async with stage.worker():
        name = await stage.job()
        await until(lambda: _written(stage, name), True, seconds=PATIENCE)
        with stage.slack.lock:
            stage.team.channel("C0GENERAL").posted.clear()
        await stage.claim(name)
        await stage.succeed(name)
        await until(lambda: _phase(stage, name), Phase.SUCCEEDED, seconds=PATIENCE)
    assert stage.states() == {}


@pytest.mark.parametrize("channel", ["C0ARCHIVED", "C0PRIVATE", "C0ABSENT"])
async def test_a_channel_that_takes_no_card_is_told_of_on_the_trigger(stage: Stage, channel: str) -> None:
    await stage.trigger()
    async with stage.worker():
        for _ in range(3):
            await stage.job(channel=channel)
        await until(lambda: _events(stage), 1, seconds=PATIENCE)
        good = await stage.job()
        await stage.shows({good: ["queued"]})
    (event,) = await _all_events(stage)
    assert (event["type"], event["involvedObject"]["kind"]) == ("Warning", "Trigger")
    assert channel in event["message"]


async def test_a_card_that_found_no_place_is_posted_once_it_has_one(stage: Stage) -> None:
    clock = MovableClock()
    stage.clock = clock
    await stage.trigger()
    async with stage.worker():
        name = await stage.job(channel="C0ARCHIVED")
        await until(lambda: _events(stage), 1, seconds=PATIENCE)
        stage.team.channel("C0ARCHIVED").archived = False
        clock.ahead += 60
        await stage.shows({name: ["queued"]}, channel="C0ARCHIVED")


async def test_a_run_from_slack_whose_channel_takes_nothing_is_shown_to_who_asked(stage: Stage) -> None:
    who = {"kind": "slack", "id": f"{stage.team.id}/U0ANN", "name": "ann"}
    async with stage.worker():
        name = await stage.job(channel="C0PRIVATE", requestedBy=who)
        await until(lambda: _direct(stage), [(name, "queued")], seconds=PATIENCE)
        await stage.claim(name)
        await stage.succeed(name)
        await until(lambda: _direct(stage), [(name, "succeeded")], seconds=PATIENCE)


async def test_a_token_that_slack_refuses_is_noted_and_a_new_connection_shows_what_is_owed(stage: Stage) -> None:
    await stage.trigger()
    with stage.slack.lock:
        stage.slack.slack.spoil(stage.team, "token_revoked")
    async with stage.worker():
        name = await stage.job()
        await until(lambda: _events(stage), 1, seconds=PATIENCE)
        assert stage.marked == ["token_revoked"]
        await stage.claim(name)
        await stage.succeed(name)
        for token in stage.slack.slack.tokens.values():
            token.trouble = ""
        found = stage.caches.slack.by("namespace", stage.namespace)[0]
        stage.caches.slack.note(await stage.kube.patch_status(type(found), *found.key, {"connected": True}))
        await stage.shows({name: ["succeeded"]})


async def test_a_job_that_ended_long_ago_is_not_told_of_any_more(stage: Stage) -> None:
    old = await stage.job()
    await stage.claim(old)
    await stage.succeed(old)
    clock = MovableClock()
    clock.ahead = 25 * 3600
    stage.clock = clock
    async with stage.worker():
        new = await stage.job()
        await stage.shows({new: ["queued"]})
    assert old not in stage.states()


async def test_a_job_that_is_deleted_before_its_card_is_posted_has_none(stage: Stage) -> None:
    stage.slack.limit(times=1, retry_after=10)
    async with stage.worker():
        gone, there = await stage.job(), await stage.job()
        await until(lambda: _limited(stage), True, seconds=PATIENCE)
        await stage.kube.delete(type(await stage.read(gone)), stage.namespace, gone)
        await stage.shows({there: ["queued"]})


async def test_channels_keep_their_own_pace(stage: Stage) -> None:
    stage.tempo = Tempo(channel=3600)
    with stage.slack.lock:
        stage.team.add_channel("C0WEB")
    async with stage.worker():
        names = [await stage.job() for _ in range(3)]
        other = await stage.job(channel="C0WEB")
        await stage.shows({other: ["queued"]}, channel="C0WEB")
        await until(lambda: _at_least(stage, 1), True, seconds=PATIENCE)
    assert len(stage.team.messages("C0GENERAL")) == 1
    assert set(stage.states()) < set(names)


def _view(stage: Stage, name: str) -> JobView:
    found = stage.caches.jobs.get(stage.namespace, name)
    assert found is not None
    return found


async def _said(stage: Stage, name: str, text: str) -> bool:
    return all(text in one.said for one in stage.messages().get(name, [])) and name in stage.messages()


async def _written(stage: Stage, name: str) -> bool:
    return (await stage.read(name)).status.slack_message is not None


async def _phase(stage: Stage, name: str) -> Phase | None:
    written = (await stage.read(name)).status.slack_message
    return None if written is None else written.phase


async def _at_least(stage: Stage, count: int) -> bool:
    return len(stage.team.messages("C0GENERAL")) >= count


async def _held(stage: Stage) -> bool:
    return stage.slack.held("chat.postMessage") == 1


async def _limited(stage: Stage) -> bool:
    return bool(stage.calls(outcome="429"))


async def _direct(stage: Stage) -> list[tuple[str, str]]:
    return [(shown_job(one), state(one)) for one in stage.team.direct("U0ANN")]


async def _all_events(stage: Stage) -> list[dict[str, Any]]:
    found = await stage.kube.connection.request("GET", f"/api/v1/namespaces/{stage.namespace}/events")
    events: list[dict[str, Any]] = found["items"]
    return [one for one in events if one["reason"] == "SlackNotDelivered"]


async def _events(stage: Stage) -> int:
    return len(await _all_events(stage))
