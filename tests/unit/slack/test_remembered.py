"""What is remembered for a while."""

from deplite_apiserver.slack.remembered import Remembered


class Moving:
    at = 0.0

    def now(self) -> float:
        return self.at


def test_it_is_known_for_its_time_and_until_it_is_dropped() -> None:
    clock = Moving()
    known: Remembered[str] = Remembered(clock.now, 60, 10)
    known.put("a", "1")
    known.put("b", "2")
    known.drop("b")
    known.drop("never there")
    clock.at = 59
    assert (known.get("a"), known.get("b")) == ("1", None)
    clock.at = 60
    assert known.get("a") is None


def test_what_is_put_again_lives_anew_and_is_the_newest() -> None:
    clock = Moving()
    known: Remembered[str] = Remembered(clock.now, 60, 2)
    known.put("a", "1")
    known.put("b", "2")
    clock.at = 30
    known.put("a", "3")
    known.put("c", "4")
    assert (known.get("a"), known.get("b"), known.get("c")) == ("3", None, "4")
    clock.at = 89
    assert known.get("a") == "3"
