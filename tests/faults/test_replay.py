"""Signed requests of agents, sent again in every way, at both replicas: each is accepted once at most."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime

import pytest

from deplite_apiserver.auth.roles import ACCESS
from tests.faults.author import Author, Call
from tests.faults.pair import REPLICAS, Pair
from tests.faults.replay import ALTERATIONS, RESPELLINGS, WINDOW, Alteration, value
from tests.faults.wire import Answer, Message, Wire

_FULL = pytest.mark.full, pytest.mark.timeout(1800)
_BEHIND, _AHEAD = -200, WINDOW
"""Seconds by which clocks of agents are wrong. The one that is behind has a hundred seconds to be heard."""
_AS_IT_WAS = Alteration(change=lambda message, chance, others: message, codes=frozenset({"nonce_replayed"}))
_LATE = {"nonce_replayed", "bad_signature", "unknown_agent"}
"""What is said only to a request whose timestamp is good."""
_WORKERS = 16
_AROUND = 1.0
"""Seconds before and after Redis was away in which a replica may have gone by what it knew itself."""
_SPARE = 5
"""Seasons that may be done again beside a fifth of all: on a busy machine Redis seems to be away now and then."""
_CLOCKS = (0, 98, 99, 100, 101, 299, 300, 301, 499, 500, 501, 599, 600, 601, 602, -101, -299, -300, -301)
"""Seconds by which the replicas' clock is wrong for a while: the edges of the window, for all of those agents."""


@pytest.mark.parametrize(
    ("tries", "seasons"),
    [pytest.param(1_500, 2, marks=pytest.mark.timeout(900)), pytest.param(100_000, 20, marks=_FULL)],
)
async def test_no_replay_is_accepted_anywhere(tries: int, seasons: int, pair: Pair, seed: int) -> None:
    """Each season: new originals, replays while one replica is killed, after that, and with another clock."""
    chance = random.Random(seed)
    await pair.ready()
    replays = Replays(pair)
    began = time.monotonic()
    async with AsyncExitStack() as leaving:
        authors: list[Author] = []
        for ahead in (_BEHIND, 0, _AHEAD):
            authors.append(await Author.enrolled(pair, ahead, random.Random(chance.random())))
            leaving.push_async_callback(authors[-1].close)
        while replays.seasons < seasons:
            await replays.season(authors, tries // seasons, chance)
            assert replays.discarded <= _SPARE + seasons // 5, "Redis is away too often to prove anything"
    spent = time.monotonic() - began
    print(
        f"{replays.tries} replays in {spent:.0f} s: {replays.answers.most_common()}; of {replays.originals} originals"
    )
    print(f"{replays.discarded} seasons more in which Redis was away, which are not counted")
    print(f"{replays.kills} kills; no answer, and not counted: {replays.unanswered}; {replays.ways.most_common()}")
    assert replays.tries >= tries
    assert set(replays.ways) == {*ALTERATIONS, *RESPELLINGS, "as it was"}
    assert {call.route for call in replays.calls} == {route for route, kinds in ACCESS.items() if "agent" in kinds}


class Replays:
    """What was tried, and what became of it."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.calls: list[Call] = []
        self.seasons = self.discarded = self.kills = self.tries = self.unanswered = self.originals = 0
        self.away: list[tuple[float, float]] = []
        """From when to when a replica did not reach Redis."""
        self.answers: Counter[str] = Counter()
        self.ways: Counter[str] = Counter()

    async def season(self, authors: Sequence[Author], tries: int, chance: random.Random) -> None:
        """Try that often; one in which a replica could not reach Redis proves less, and is not counted.

        What the replicas took while they reached it is taken once then, too.
        """
        before, logged = self.tries, {part: len(self.pair.log(part)) for part in REPLICAS}
        for author in authors:
            author.calls = []
        await asyncio.gather(*(author.work() for author in authors))
        fresh = [call for author in authors for call in author.calls]
        async with asyncio.TaskGroup() as together:
            together.create_task(self._storm(fresh, tries // 3, chance))
            together.create_task(self._kill(authors, chance))
        fresh = [call for author in authors for call in author.calls]
        await self._storm(fresh + self.calls[-100:], tries // 3, chance)
        ahead = chance.choice(_CLOCKS)
        async with self._clock(ahead):
            await self._storm(fresh + self.calls[-100:], tries - 2 * (tries // 3), chance, ahead)
        away = [span for part in REPLICAS for span in _away(self.pair.log(part)[logged[part] :])]
        self.away += away
        for call in (*fresh, *self.calls):
            assert len([span for span in call.accepted if not _meets(span, self.away)]) <= 1, call
        if away:
            self.discarded, self.tries = self.discarded + 1, before
            return
        self.seasons += 1
        self.calls += fresh
        self.originals += len(fresh)
        print(f"season {self.seasons}: {self.tries} replays of {self.originals} originals", flush=True)

    async def _kill(self, authors: Sequence[Author], chance: random.Random) -> None:
        """kill -9 one of both while new calls come in; wait until it is back."""
        killing = asyncio.create_task(self.pair.kill(chance.choice(REPLICAS)))
        while not killing.done():
            await asyncio.gather(*(author.beat() for author in authors))
            await asyncio.sleep(0.05)
        await killing
        await self.pair.ready()
        self.kills += 1

    @asynccontextmanager
    async def _clock(self, ahead: int) -> AsyncIterator[None]:
        clock = self.pair.failpoints / "apiserver.clock"
        new = clock.with_suffix(".new")
        new.write_text(str(ahead))
        new.rename(clock)
        try:
            yield
        finally:
            clock.unlink()

    async def _storm(self, calls: Sequence[Call], tries: int, chance: random.Random, ahead: int = 0) -> None:
        end = self.tries + tries
        others = [call.message for call in calls]

        async def work(chance: random.Random) -> None:
            wires = [Wire(door) for door in (*self.pair.doors, self.pair.url)]
            try:
                while self.tries < end:
                    await self._try(chance.choice(calls), others, wires, chance, ahead)
            finally:
                for wire in wires:
                    wire.close()

        async with asyncio.TaskGroup() as workers:
            for _ in range(_WORKERS):
                workers.create_task(work(random.Random(chance.random())))

    async def _try(
        self, call: Call, others: Sequence[Message], wires: Sequence[Wire], chance: random.Random, ahead: int
    ) -> None:
        """Send one call again: at one replica, at both at once, or at whichever takes it as well."""
        names, alteration, message = _altered(call.message, others, chance)
        asked = chance.sample(wires, chance.choice((1, 1, 2, 3)))
        since = time.time() + ahead
        answers = await asyncio.gather(*(wire.ask(message) for wire in asked), return_exceptions=True)
        may_say = _expected(alteration, message, since, time.time() + ahead)
        for answer in answers:
            if not isinstance(answer, Answer):
                assert isinstance(answer, OSError), answer
            if not isinstance(answer, Answer) or answer.status == 503:
                self.unanswered += 1
                await asyncio.sleep(0.05)
                continue
            if answer.accepted and alteration is _AS_IT_WAS:
                call.accepted.append((since - ahead, time.time()))  # its first sending met a replica that died
                self.answers["accepted"] += 1
                continue
            assert answer.code in may_say, (names, message, answer, may_say)
            self.tries += 1
            self.answers[answer.code] += 1
            self.ways.update(names)


def _altered(
    message: Message, others: Sequence[Message], chance: random.Random
) -> tuple[Sequence[str], Alteration, Message]:
    """Return what is sent in a message's place, and by which changes it came about."""
    name, alteration = "as it was", _AS_IT_WAS
    if chance.random() < 0.6:
        name = chance.choice(sorted(ALTERATIONS))
        alteration = ALTERATIONS[name]
    respelled = chance.sample(list(RESPELLINGS), chance.choice((0, 0, 1, 2)))
    message = alteration.change(message, chance, others)
    for each in RESPELLINGS:
        if each in respelled and not (alteration.first and each == "zeros before the timestamp"):
            message = RESPELLINGS[each](message, chance, others)
    return [name, *respelled], alteration, message


def _expected(alteration: Alteration, message: Message, since: float, until: float) -> set[str]:
    """Return what may be said to a message that was under way between two moments of the replicas' clock."""
    if alteration.first:
        return set(alteration.codes)
    signed_at = int(value(message, "X-Timestamp"))
    young, old = since - signed_at - 1, until - signed_at + 1
    may_say = set(alteration.codes)
    if old > WINDOW or young < -WINDOW:
        may_say.add("stale_timestamp")
    if young > WINDOW or old < -WINDOW:
        may_say -= _LATE
    return may_say


def _away(log: str) -> list[tuple[float, float]]:
    """Return from when to when a replica did not reach Redis, by what it logged."""
    spans: list[tuple[float, float]] = []
    since: float | None = None
    for line in log.splitlines():
        if since is None and "Redis is away" in line:
            since = datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S,%f").timestamp()
        elif since is not None and ("Redis is back" in line or "Started server process" in line):
            spans.append((since, datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S,%f").timestamp()))
            since = None
    return [*spans, (since, time.time())] if since is not None else spans


def _meets(span: tuple[float, float], others: Sequence[tuple[float, float]]) -> bool:
    return any(span[0] <= end + _AROUND and begin - _AROUND <= span[1] for begin, end in others)
