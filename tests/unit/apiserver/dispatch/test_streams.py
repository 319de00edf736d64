"""Which agents can be reached: one stream each, the newest."""

import logging

import pytest

from deplite_apiserver.dispatch.streams import MAX_WAITING, AgentKey, Stream, StreamEvent, Streams
from deplite_apiserver.metrics.metrics import Metrics

KEY = ("org-a", "web")


def event(number: int = 0) -> StreamEvent:
    return StreamEvent(event="ping", data={"n": number})


async def drained(stream: Stream) -> list[int]:
    return [one.data["n"] async for one in stream.events()]


@pytest.fixture
def streams() -> Streams:
    return Streams(Metrics())


async def test_what_was_put_in_before_the_end_is_sent_and_nothing_after(streams: Streams) -> None:
    stream = streams.open(KEY, "ag-x", None)
    assert stream.send(event(1))
    assert stream.send(event(2))
    stream.close()
    stream.close()
    assert not stream.send(event(3))
    assert await drained(stream) == [1, 2]


def test_an_agent_has_one_stream_the_newest(streams: Streams) -> None:
    assert streams.of(KEY) is None
    older = streams.open(KEY, "ag-x", None)
    newer = streams.open(KEY, "ag-x", None)
    assert (older.closed, newer.closed, streams.of(KEY)) == (True, False, newer)
    assert newer.number > older.number
    streams.close(older)  # its connection ends later, and takes nothing with it
    assert streams.of(KEY) is newer
    assert streams.agents() == [KEY]
    streams.close(newer)
    assert (streams.of(KEY), streams.agents()) == (None, [])


def test_those_who_care_hear_of_each_opening_and_of_the_last_end(streams: Streams) -> None:
    told: list[tuple[str, int]] = []
    streams.subscribe(opened=lambda one: told.append(("opened", one.number)))
    streams.subscribe(
        opened=lambda one: told.append(("seen", one.number)), closed=lambda one: told.append(("closed", one.number))
    )
    older, newer = streams.open(KEY, "ag-x", None), streams.open(KEY, "ag-x", None)
    streams.close(older)
    streams.close(newer)
    streams.close(newer)
    a, b = older.number, newer.number
    assert told == [("opened", a), ("seen", a), ("opened", b), ("seen", b), ("closed", b)]


async def test_an_agent_that_does_not_read_loses_its_stream_and_gets_what_fitted(streams: Streams) -> None:
    stream = streams.open(KEY, "ag-x", None)
    assert [stream.send(event(number)) for number in range(MAX_WAITING + 2)] == [True] * MAX_WAITING + [False] * 2
    assert streams.of(KEY) is None
    assert await drained(stream) == list(range(MAX_WAITING))


@pytest.mark.parametrize(
    ("instances", "contests"),
    [
        (["one", "two"], 0),  # a restart
        (["one", "two", "three"], 0),
        (["one", "one", "one"], 0),
        ([None, "two", None, "two"], 0),
        ([None, None], 0),
        (["one", "two", "one"], 1),
        (["one", "two", "two", "one"], 1),
        (["one", "two", "one", "two", "one"], 3),
    ],
)
def test_two_processes_that_displace_each_other_are_said(
    streams: Streams, caplog: pytest.LogCaptureFixture, instances: list[str | None], contests: int
) -> None:
    told: list[AgentKey] = []
    streams.subscribe(contested=told.append)
    with caplog.at_level(logging.WARNING):
        for instance in instances:
            streams.open(KEY, "ag-x", instance)
    assert caplog.text.count("two processes") == contests
    assert told == [KEY] * contests


async def test_who_is_displaced_by_one_whom_it_displaced_is_told_to_wait(streams: Streams) -> None:
    first, second, third = [streams.open(KEY, "ag-x", instance) for instance in ("one", "two", "one")]
    third.close()
    assert [[one.event async for one in stream.events()] for stream in (first, second, third)] == [
        [],
        ["displaced"],
        [],
    ]


def test_after_the_last_stream_nobody_is_remembered(streams: Streams) -> None:
    told: list[AgentKey] = []
    streams.subscribe(contested=told.append)
    streams.open(KEY, "ag-x", "one")
    streams.close(streams.open(KEY, "ag-x", "two"))
    streams.open(KEY, "ag-x", "one")
    assert told == []


def test_a_newer_stream_elsewhere_ends_the_one_here_and_is_no_contest(streams: Streams) -> None:
    told: list[AgentKey] = []
    streams.subscribe(contested=told.append)
    stream = streams.open(KEY, "ag-x", "one")
    streams.supersede(KEY, "two")
    assert (stream.closed, streams.of(KEY), told) == (True, None, [])
    streams.supersede(KEY, "two")  # there is none any more
    streams.supersede(("org-a", "db"), "two")
    assert told == []


async def test_a_process_that_comes_back_after_it_was_displaced_elsewhere_is_a_contest_there(streams: Streams) -> None:
    elsewhere, told = Streams(Metrics()), list[AgentKey]()
    streams.subscribe(contested=told.append)
    elsewhere.subscribe(contested=told.append)
    first = streams.open(KEY, "ag-x", "one")
    second = elsewhere.open(KEY, "ag-x", "two")
    streams.supersede(KEY, "two", again=elsewhere.was_displaced(KEY, "two"))
    streams.close(first)  # its connection ended, and who it was is remembered
    streams.open(KEY, "ag-x", "one")
    assert told == []
    elsewhere.supersede(KEY, "one", again=streams.was_displaced(KEY, "one"))
    assert told == [KEY]
    assert [one.event async for one in second.events()] == ["displaced"]


def test_processes_that_come_back_to_the_other_replica_each_are_found_too(streams: Streams) -> None:
    elsewhere, told = Streams(Metrics()), list[AgentKey]()
    streams.subscribe(contested=told.append)
    elsewhere.subscribe(contested=told.append)
    for here, there, instance in ((streams, elsewhere, "one"), (elsewhere, streams, "two")) * 2:
        here.open(KEY, "ag-x", instance)
        there.supersede(KEY, instance, again=here.was_displaced(KEY, instance))
    assert told == [KEY, KEY]


async def test_when_the_process_ends_all_streams_do_and_later_ones_at_once(streams: Streams) -> None:
    one, other = streams.open(KEY, "ag-x", None), streams.open(("org-a", "db"), "ag-y", None)
    streams.stop()
    late = streams.open(("org-a", "new"), "ag-z", None)
    assert [stream.closed for stream in (one, other, late)] == [True] * 3
    assert [await drained(stream) for stream in (one, other, late)] == [[], [], []]
    assert streams.agents() == []
