from collections.abc import Iterator

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from deplite_apiserver.jobs.steps import JobKey
from deplite_apiserver.slack.outbox import Outbox, Tempo, Urgency

FIRST, NEWS, STEP = Urgency


def key(name: str) -> JobKey:
    return "org-a", name, "0a1b2c3d"


def taken(outbox: Outbox, now: float) -> Iterator[str]:
    while (item := outbox.take(now)) is not None:
        yield item.key[1]


def test_ends_and_first_messages_come_before_news_and_within_that_the_oldest() -> None:
    outbox = Outbox(Tempo(channel=0))
    for name, urgency in (("a", NEWS), ("b", FIRST), ("c", FIRST), ("a", NEWS)):
        outbox.put(key(name), "C1", urgency)
    assert list(taken(outbox, 0)) == ["b", "c", "a"]


def test_a_card_waits_once_for_the_more_urgent_reason() -> None:
    outbox = Outbox(Tempo(channel=0))
    outbox.put(key("a"), "C1", NEWS)
    outbox.put(key("b"), "C1", NEWS)
    outbox.put(key("b"), "C1", FIRST)
    outbox.put(key("b"), "C1", STEP)
    assert list(taken(outbox, 0)) == ["b", "a"]


def test_a_channel_has_its_pace_and_does_not_hold_up_another() -> None:
    outbox = Outbox(Tempo(channel=1))
    for name, channel in (("a", "C1"), ("b", "C1"), ("c", "C2")):
        outbox.put(key(name), channel, FIRST)
    assert list(taken(outbox, 0)) == ["a", "c"]
    assert outbox.wait(0.25) == 0.75
    assert list(taken(outbox, 1)) == ["b"]
    assert outbox.wait(1) is None


def test_steps_wait_for_everything_else_and_for_their_own_card() -> None:
    outbox = Outbox(Tempo(channel=1, step=3))
    outbox.put(key("a"), "C1", FIRST)
    assert list(taken(outbox, 0)) == ["a"]
    outbox.put(key("a"), "C1", STEP)
    outbox.put(key("b"), "C2", STEP)
    outbox.put(key("c"), "C1", NEWS)
    assert list(taken(outbox, 0.5)) == []
    assert outbox.wait(0.5) == 0.5
    assert list(taken(outbox, 1)) == ["c", "b"]
    assert outbox.wait(1) == 2
    assert list(taken(outbox, 3)) == ["a"]


def test_while_slack_asks_to_wait_nothing_is_sent() -> None:
    outbox = Outbox()
    outbox.put(key("a"), "C1", FIRST)
    outbox.pause(30)
    outbox.pause(20)
    assert outbox.take(29) is None
    assert outbox.wait(10) == 20
    assert outbox.take(30) is not None


def test_what_finds_no_room_is_said_so_but_for_steps() -> None:
    outbox = Outbox(Tempo(channel=0), most=100)
    for number in range(100):
        outbox.put(key(f"{number}"), "C1", FIRST)
    outbox.put(key("step"), "C1", STEP)
    assert not outbox.left_out
    for number in range(100, 10_000):
        outbox.put(key(f"{number}"), "C1", FIRST)
    assert (len(outbox), outbox.left_out) == (100, True)
    outbox.drop(key("0"))
    assert len(list(taken(outbox, 0))) == 99


class Sending(RuleBasedStateMachine):
    """Whatever happens in whatever order: nothing is lost, sent twice for one reason, or sent too soon."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox, self.tempo, self.now = Outbox(Tempo(channel=1, step=3), most=5), Tempo(channel=1, step=3), 0.0
        self.owed: dict[JobKey, tuple[str, Urgency]] = {}
        self.last: dict[str, float] = {}
        self.paused = 0.0

    @rule(name=st.sampled_from("abcdefg"), channel=st.sampled_from(["C1", "C2"]), urgency=st.sampled_from(Urgency))
    def change(self, name: str, channel: str, urgency: Urgency) -> None:
        card = key(name)
        if card in self.owed:
            self.owed[card] = self.owed[card][0], min(self.owed[card][1], urgency)
        elif len(self.owed) < 5:
            self.owed[card] = channel, urgency
        self.outbox.put(card, channel, urgency)

    @rule(seconds=st.sampled_from([0.25, 1, 3]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(seconds=st.integers(1, 5))
    def slack_asks_to_wait(self, seconds: int) -> None:
        self.paused = max(self.paused, self.now + seconds)
        self.outbox.pause(self.now + seconds)

    @rule(fails=st.booleans())
    def send(self, fails: bool) -> None:
        item = self.outbox.take(self.now)
        if item is None:
            return
        channel, urgency = self.owed.pop(item.key)
        assert (item.channel, item.urgency) == (channel, urgency)
        assert self.now >= self.paused
        assert self.now - self.last.get(channel, float("-inf")) >= self.tempo.channel
        assert urgency is not STEP or all(other is STEP for _, other in self.owed.values())
        self.last[channel] = self.now
        if fails:
            self.change(item.key[1], channel, urgency)

    @precondition(lambda self: self.owed)
    @rule()
    def in_the_end_all_is_sent(self) -> None:
        for _ in range(len(self.owed)):
            wait = self.outbox.wait(self.now)
            assert wait is not None
            self.now += wait
            self.send(fails=False)
        assert not self.owed

    @invariant()
    def it_holds_what_is_owed(self) -> None:
        assert len(self.outbox) == len(self.owed)
        assert (self.outbox.wait(self.now) is None) == (not self.owed)


TestSending = Sending.TestCase
TestSending.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
