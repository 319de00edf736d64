"""Which requests of Slack were dealt with."""

from deplite_apiserver.slack import seen
from deplite_apiserver.slack.seen import KEEP_SECONDS, Seen


class Moving:
    at = 0.0

    def now(self) -> float:
        return self.at


def test_an_id_is_new_once_an_hour() -> None:
    clock = Moving()
    found = Seen(clock.now)
    assert [found.first("a"), found.first("a"), found.first("b")] == [True, False, True]
    clock.at = KEEP_SECONDS - 1
    assert not found.first("a")
    clock.at = KEEP_SECONDS
    assert found.first("a")


def test_no_more_than_ten_thousand_are_remembered() -> None:
    found = Seen(Moving().now)
    for number in range(seen.MOST + 2):
        assert found.first(str(number))
    assert not found.first(str(seen.MOST + 1))
    assert found.first("0")
