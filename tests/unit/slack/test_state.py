"""The OAuth state: signed, ten minutes, once, and nobody's name in it."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest

from deplite.resources.organization import Member
from deplite_apiserver.errors import InvalidStateError
from deplite_apiserver.shared.once import MemoryOnce
from deplite_apiserver.slack.state import LIFETIME, States

KEY, BEGAN = b"k" * 32, datetime(2026, 5, 31, 13, 42, tzinfo=UTC)
MIKA = Member(issuer="https://issuer.test", subject="mika", role="member")
OLGA = Member(issuer="https://issuer.test", subject="olga", role="owner")


class Hand:
    """A clock whose hand a test moves."""

    def __init__(self) -> None:
        self.at = BEGAN

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def states(hand: Hand) -> States:
    return States(KEY, hand, MemoryOnce())


def issue(states: States) -> str:
    return states.issue("org-acme", MIKA.issuer, MIKA.subject)[0]


def refuses(states: States, state: str) -> None:
    with pytest.raises(InvalidStateError, match="Begin again") as caught:
        states.read(state)
    assert caught.value.code == "invalid_state"


def test_a_state_says_for_which_organization_and_who_began(states: States) -> None:
    text, ends = states.issue("org-acme", MIKA.issuer, MIKA.subject)
    assert ends == BEGAN + LIFETIME
    claim = states.read(text)
    assert claim.organization == "org-acme"
    assert claim.member_of([OLGA, MIKA]) == MIKA
    assert claim.member_of([OLGA]) is None
    assert claim.member_of([MIKA.model_copy(update={"issuer": "https://other.test"})]) is None
    said = jwt.decode(text, options={"verify_signature": False})
    assert "mika" not in str(said)


def test_it_ends_after_ten_minutes(states: States, hand: Hand) -> None:
    text = issue(states)
    hand.at = BEGAN + LIFETIME - timedelta(seconds=1)
    states.read(text)
    hand.at = BEGAN + LIFETIME
    refuses(states, text)


@pytest.mark.parametrize(
    "forged",
    [
        lambda good: good[:-2],
        lambda good: good + "x",
        lambda good: "",
        lambda good: "a.b.c",
        lambda good: "\ud800",
        lambda good: jwt.encode(jwt.decode(good, options={"verify_signature": False}), b"o" * 32, algorithm="HS256"),
        lambda good: jwt.encode(jwt.decode(good, options={"verify_signature": False}), None, algorithm="none"),
        lambda good: jwt.encode(jwt.decode(good, options={"verify_signature": False}), KEY * 2, algorithm="HS512"),
        lambda good: signed(good, aud="another"),
        lambda good: signed(good, exp=None),
        lambda good: signed(good, jti=None),
        lambda good: signed(good, org=None),
        lambda good: signed(good, exp=10**20),
        lambda good: signed(good, exp="soon"),
    ],
)
def test_what_we_did_not_sign_so_is_refused(states: States, forged) -> None:  # type: ignore[no-untyped-def]
    refuses(states, forged(issue(states)))


def signed(good: str, **override: object) -> str:
    """Return a state with other claims, and our own signature."""
    claims = jwt.decode(good, options={"verify_signature": False}) | override
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, KEY, algorithm="HS256")
