"""Slack hangs, is down, fails or limits us: no run waits for it, and afterwards each job has one card that is right."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.caller import Caller
from tests.faults.cards import all_show_the_end, callers, jobs_of, posted, written_down
from tests.faults.fleet import Fleet
from tests.faults.ledger import Counters, Ledger
from tests.faults.site import Site
from tests.slackfake import FakeSlack

RUNS = 50
FAULTS: dict[str, tuple[Callable[[FakeSlack], None], set[str]]] = {
    "hangs": (FakeSlack.hang, {"held"}),
    "is-down": (FakeSlack.down, set()),
    "answers-503": (lambda slack: slack.fail(503), {"503"}),
    "answers-no-json": (lambda slack: slack.fail(200, body="<html>"), {"200"}),
}
"""How Slack fails, and how its ledger calls each answer that we got."""


async def _fired(made: list[Caller], runs: int, **params: Any) -> None:
    await asyncio.gather(*(caller.run_many(runs // len(made), **params) for caller in made))


async def _settled(made: list[Caller], ledger: Ledger) -> list[Counters]:
    return [await caller.settle(ledger) for caller in made]


@pytest.mark.parametrize("fault", ["hangs", *(pytest.param(name, marks=pytest.mark.full) for name in [*FAULTS][1:])])
async def test_f41_runs_wait_for_nothing_of_slack(
    fault: str, site: Site, fleet: Fleet, ledger: Ledger, slack: FakeSlack
) -> None:
    made = await callers(site, slack, await fleet.add(), 10)
    break_it, outcomes = FAULTS[fault]
    break_it(slack)
    before = len(slack.calls())
    await _fired(made, RUNS, lines=3)
    assert await _settled(made, ledger) == [Counters()] * len(made)
    # All have ended, and Slack has done nothing yet.
    await _until(lambda: {call.outcome for call in slack.calls()[before:]} == outcomes)
    assert posted(slack).keys() & set(jobs_of(made)) == set()

    slack.heal()
    if not slack.accepting:
        slack.up()
    found = await all_show_the_end(slack, jobs_of(made))
    assert [job for job, shown in found.items() if len(shown) != 1] == []


async def test_f42_a_hundred_runs_while_slack_limits_us_and_the_apiserver_dies(
    site: Site, fleet: Fleet, ledger: Ledger, slack: FakeSlack
) -> None:
    made = await callers(site, slack, await fleet.add(), 20)
    slack.fail(503)  # so long, that the kill below meets jobs and cards, however long it takes to fire all runs
    ledger.open("print")
    await _fired(made, 40, gated=True)
    await _fired(made, 60, lines=3)
    slack.heal()
    slack.pace("chat.postMessage", calls=1, seconds=1)
    slack.pace("chat.update", calls=5, seconds=1)
    slack.limit(times=10, method="chat.postMessage")
    slack.lose(times=2, method="chat.postMessage")
    jobs = jobs_of(made)
    await _until(lambda: len(posted(slack).keys() & set(jobs)) >= 20)
    site.kill_now("apiserver")
    await _until(lambda: not slack.calls(outcome="held"))  # what Slack has heard, it does
    done, known = set(posted(slack)) & set(jobs), await written_down(site)
    assert len(ledger.starts() - Counter(ledger.ends().keys())) >= 20, "jobs in flight, or this proves nothing"
    assert len(set(jobs) - done) >= 20, "cards owed, or this proves nothing"
    ledger.open("end")
    lost = set(posted(slack, outcome="lost")) & set(jobs)
    assert await _settled(made, ledger) == [Counters()] * len(made)

    found = await all_show_the_end(slack, jobs)
    assert slack.calls("chat.postMessage", "429")
    # A second card is only for a post that Slack did, and of whose answer nobody could know.
    twice = {job for job, shown in found.items() if len(shown) > 1}
    assert len(done - known - lost) <= 1, "one message at a time is under way"
    assert twice <= (done - known) | lost
    assert [job for job, shown in found.items() if len(shown) > 2] == []


async def _until(condition: Callable[[], bool], seconds: float = 150) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)
