"""What is said to Slack after the answer: bounded, and nothing that goes wrong stops the rest."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from deplite.kube.errors import UnavailableError
from deplite_apiserver.slack.chores import MAX_TRIES, MAX_WAITING, Chores
from deplite_apiserver.slack.errors import SlackLimitedError, SlackRefusedError, SlackUnavailableError


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Chores]:
    found = Chores(first_pause=0.01)
    task = asyncio.create_task(found.run())
    try:
        yield found
    finally:
        await found.close()
        task.cancel()
        await asyncio.wait([task])


def failing(error: Exception, done: list[int], *, times: int) -> Callable[[], Awaitable[None]]:
    async def work() -> None:
        done.append(1)
        if len(done) <= times:
            raise error

    return work


async def reached(done: list[int], count: int) -> None:
    async with asyncio.timeout(30):
        while len(done) < count:
            await asyncio.sleep(0.01)


async def told_of(what: str, caplog: pytest.LogCaptureFixture) -> None:
    """Wait until the log says that something is left unsaid."""
    async with asyncio.timeout(30):
        while f"not said to Slack: {what}" not in caplog.text:
            await asyncio.sleep(0.01)


async def test_one_that_fails_stops_no_other() -> None:
    done: list[int] = []
    async with running() as found:
        for error in (ValueError("x"), SlackRefusedError("channel_not_found"), SlackLimitedError(3600)):
            found.add("wrong", failing(error, [], times=1))
        found.add("right", failing(ValueError(), done, times=0))
        await reached(done, 1)


@pytest.mark.parametrize(
    "error", [SlackLimitedError(0.01), SlackUnavailableError("away", maybe_done=False), UnavailableError("away")]
)
async def test_what_slack_did_not_take_is_tried_again(error: Exception) -> None:
    done: list[int] = []
    async with running() as found:
        found.add("later", failing(error, done, times=1))
        await reached(done, 2)


async def test_after_three_tries_it_is_left(caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []
    async with running() as found:
        found.add("never", failing(SlackLimitedError(0.01), done, times=99))
        await reached(done, MAX_TRIES)
        await told_of("never", caplog)
    assert len(done) == MAX_TRIES


@pytest.mark.parametrize("error", [SlackUnavailableError("?", maybe_done=True), SlackRefusedError("used_url")])
async def test_what_slack_may_have_taken_is_not_said_twice(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []
    async with running() as found:
        found.add("once", failing(error, done, times=1))
        await told_of("once", caplog)  # so it is not to be tried again
    assert len(done) == 1


async def test_what_finds_no_room_is_dropped_with_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    found = Chores()  # nobody works
    taken = [found.add("some", failing(ValueError(), [], times=0)) for _ in range(MAX_WAITING + 1)]
    assert taken == [True] * MAX_WAITING + [False]
    assert "too much waits: some" in caplog.text


async def test_of_one_name_only_one_waits() -> None:
    done: list[int] = []
    found = Chores()
    assert all(found.add("home", failing(ValueError(), done, times=0), once="T1/U1") for _ in range(5))
    task = asyncio.create_task(found.run())
    await reached(done, 1)
    assert found.add("home", failing(ValueError(), done, times=0), once="T1/U1")
    await reached(done, 2)
    assert len(done) == 2, "the five before it were one"
    task.cancel()
    await asyncio.wait([task])
