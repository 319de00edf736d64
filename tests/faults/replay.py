"""The ways to send a signed request once more, each with what the server must say to it."""

import random
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias
from urllib.parse import quote

from tests.faults.wire import Message

WINDOW = 300
"""Seconds that a timestamp may be off."""
SIGNED = ("X-Agent-Id", "X-Timestamp", "X-Nonce", "X-Signature")
METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")

Change: TypeAlias = Callable[[Message, random.Random, Sequence[Message]], Message]
"""Takes a message, chance and other messages that were signed; returns another message."""


@dataclass(frozen=True, kw_only=True)
class Alteration:
    """A change to what is signed, or to how that is said."""

    change: Change
    codes: frozenset[str]
    """What it is refused with."""
    first: bool = False
    """Whether it is refused before anybody looks at the timestamp."""


def value(message: Message, name: str) -> str:
    """Return a header."""
    return next(found for key, found in message.headers if key.lower() == name.lower())


def _with(message: Message, name: str, new: str) -> Message:
    headers = [(key, new if key.lower() == name.lower() else old) for key, old in message.headers]
    return replace(message, headers=headers)


def _one_byte(message: Message, chance: random.Random, others: Sequence[Message]) -> Message:
    if not message.body:
        return replace(message, body=chance.choice([b" ", b"{}", b"\0"]))
    at = chance.randrange(len(message.body))
    other = bytes([message.body[at] ^ (1 << chance.randrange(8))])
    shorter, longer = message.body[:at] + message.body[at + 1 :], message.body + b" "
    return replace(message, body=chance.choice([message.body[:at] + other + message.body[at + 1 :], shorter, longer]))


def _other_body(message: Message, chance: random.Random, others: Sequence[Message]) -> Message:
    bodies = sorted({other.body for other in others} - {message.body})
    return replace(message, body=chance.choice(bodies))


def _other_route(message: Message, chance: random.Random, others: Sequence[Message]) -> Message:
    routes = sorted({(other.method, other.target) for other in others} - {(message.method, message.target)})
    method, target = chance.choice(routes)
    return replace(message, method=method, target=target)


def _other_method(message: Message, chance: random.Random, others: Sequence[Message]) -> Message:
    return replace(message, method=chance.choice([method for method in METHODS if method != message.method]))


def _other_time(message: Message, chance: random.Random, others: Sequence[Message]) -> Message:
    by = chance.choice([-1, 1]) * chance.choice([1, 2, 59, 60, 299, 300, 301, 600, 601, 86_400])
    return _with(message, "X-Timestamp", str(int(value(message, "X-Timestamp")) + by))


def _no_time(message: Message, chance: random.Random, others: Sequence[Message]) -> Message:
    now = value(message, "X-Timestamp")
    return _with(message, "X-Timestamp", chance.choice([f"+{now}", f"{now}.0", f"-{now}", hex(int(now)), "", "0" * 13]))


def _longer_time(message: Message, chance: random.Random, others: Sequence[Message]) -> Message:
    return _with(message, "X-Timestamp", "0" * chance.choice([1, 2]) + value(message, "X-Timestamp"))


def _nonce_in_capitals(message: Message, chance: random.Random, others: Sequence[Message]) -> Message:
    nonce = value(message, "X-Nonce")
    capital = nonce.upper() if nonce.upper() != nonce else nonce[:-1] + "A"
    return _with(message, "X-Nonce", chance.choice([capital, nonce + "0", nonce[1:], f"0x{nonce[2:]}"]))


def _other_nonce(message: Message, chance: random.Random, others: Sequence[Message]) -> Message:
    nonce = value(message, "X-Nonce")
    at = chance.randrange(32)
    digit = chance.choice([digit for digit in "0123456789abcdef" if digit != nonce[at]])
    return _with(message, "X-Nonce", nonce[:at] + digit + nonce[at + 1 :])


def _other_signature(message: Message, chance: random.Random, others: Sequence[Message]) -> Message:
    signatures = sorted({value(other, "X-Signature") for other in others} - {value(message, "X-Signature")})
    return _with(message, "X-Signature", chance.choice(signatures))


def _odd_signature(message: Message, chance: random.Random, others: Sequence[Message]) -> Message:
    text = value(message, "X-Signature")
    last = chance.choice([letter for letter in string.ascii_letters if letter != text[-3]])
    forms = [text.rstrip("="), text[:-3] + last + "==", f"{text}=", text.replace("+", "-").replace("/", "_")]
    return _with(message, "X-Signature", chance.choice(forms))


def _other_agent(message: Message, chance: random.Random, others: Sequence[Message]) -> Message:
    mine = value(message, "X-Agent-Id")
    return _with(message, "X-Agent-Id", chance.choice(sorted({value(o, "X-Agent-Id") for o in others} - {mine})))


def _no_agent(message: Message, chance: random.Random, others: Sequence[Message]) -> Message:
    mine = value(message, "X-Agent-Id")
    return _with(message, "X-Agent-Id", chance.choice([mine.upper(), mine[:-1], f"{mine}a", "ag-" + "a" * 16]))


def _query(message: Message, chance: random.Random, others: Sequence[Message]) -> Message:
    return replace(message, target=message.target + chance.choice(["?a=1", "?a", "?&", "?%00", "??", "?x=/agent"]))


def _doubled(message: Message, chance: random.Random, others: Sequence[Message]) -> Message:
    name = chance.choice(SIGNED)
    again = value(chance.choice([message, chance.choice(others)]), name)
    if chance.random() < 0.3:
        return _with(message, name, f"{value(message, name)}, {again}")
    headers = [*message.headers]
    headers.insert(chance.randrange(len(headers) + 1), (name, again))
    return replace(message, headers=headers)


def _missing(message: Message, chance: random.Random, others: Sequence[Message]) -> Message:
    name = chance.choice(SIGNED)
    return replace(message, headers=[(key, old) for key, old in message.headers if key != name])


def _no_route(message: Message, chance: random.Random, others: Sequence[Message]) -> Message:
    forms = ["/api/api{}", "/v1/api{}", "/API{}", "/v2{}", "{}/", "/x/..{}"]
    return replace(message, target=chance.choice(forms).format(message.target))


_WRONG = frozenset({"bad_signature"})
_SHAPE = frozenset({"bad_signature_headers"})
ALTERATIONS: dict[str, Alteration] = {
    "a byte of the body": Alteration(change=_one_byte, codes=_WRONG),
    "another body": Alteration(change=_other_body, codes=_WRONG),
    "another route": Alteration(change=_other_route, codes=_WRONG),
    "another method": Alteration(change=_other_method, codes=_WRONG | {"method_not_allowed"}),
    "another timestamp": Alteration(change=_other_time, codes=_WRONG),
    "no timestamp": Alteration(change=_no_time, codes=_SHAPE, first=True),
    "a nonce of another shape": Alteration(change=_nonce_in_capitals, codes=frozenset({"invalid_nonce"}), first=True),
    "another nonce": Alteration(change=_other_nonce, codes=_WRONG),
    "another signature": Alteration(change=_other_signature, codes=_WRONG),
    "the signature spelled otherwise": Alteration(change=_odd_signature, codes=_WRONG | {"nonce_replayed"}),
    "another agent": Alteration(change=_other_agent, codes=_WRONG),
    "no agent": Alteration(change=_no_agent, codes=frozenset({"unknown_agent"})),
    "a query": Alteration(change=_query, codes=_WRONG, first=True),
    "a header twice": Alteration(change=_doubled, codes=_SHAPE, first=True),
    "a header less": Alteration(change=_missing, codes=_SHAPE, first=True),
    "no route": Alteration(change=_no_route, codes=frozenset({"not_found"}), first=True),
}
"""What changes the request that the server sees."""


def _shuffled(message: Message, chance: random.Random, others: Sequence[Message]) -> Message:
    return replace(message, headers=chance.sample(list(message.headers), len(message.headers)))


def _other_case(message: Message, chance: random.Random, others: Sequence[Message]) -> Message:
    case = chance.choice([str.lower, str.upper, str.swapcase])
    return replace(message, headers=[(case(key), old) for key, old in message.headers])


def _prefixed(message: Message, chance: random.Random, others: Sequence[Message]) -> Message:
    return replace(message, target=chance.choice(["/api", "/v1"]) + message.target)


def _escaped(message: Message, chance: random.Random, others: Sequence[Message]) -> Message:
    target = message.target
    path = target.partition("?")[0]
    at = chance.choice([place for place, letter in enumerate(path) if letter != "/"])
    return replace(message, target=f"{target[:at]}%{ord(target[at]):02x}{target[at + 1 :]}")


def _escorted(message: Message, chance: random.Random, others: Sequence[Message]) -> Message:
    more = chance.choice(
        [
            ("X-HTTP-Method-Override", "DELETE"),
            ("X-Original-URL", "/agent/heartbeat"),
            ("X-Forwarded-For", "203.0.113.9"),
            ("X-Deplite-Instance", "another"),
            ("Authorization", "Bearer x"),
            ("Cookie", "a=b"),
            ("Content-Type", "text/plain"),
            ("Last-Event-ID", quote("é")),
            ("X-Agent-Ids", value(chance.choice(others), "X-Agent-Id")),
        ]
    )
    return replace(message, headers=[*message.headers, more])


RESPELLINGS: dict[str, Change] = {
    "headers in another order": _shuffled,
    "names in another case": _other_case,
    "a prefix": _prefixed,
    "an escape in the path": _escaped,
    "one more header": _escorted,
    "a body in chunks": lambda message, chance, others: replace(message, chunked=True),
    "HTTP/1.0": lambda message, chance, others: replace(message, chunked=False, version="1.0"),
    "an empty query": lambda message, chance, others: replace(message, target=f"{message.target}?"),
    "zeros before the timestamp": _longer_time,
}
"""What leaves the request the same for the server: it has seen it."""
