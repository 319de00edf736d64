"""What is done about a Secret, and that no crash in between mints twice."""

from dataclasses import replace

import pytest

from deplite.resources.credentials import mint
from deplite_operator.policies.deposit import Deposit
from deplite_operator.policies.minting import OWNER_LABEL, OWNER_UID_LABEL, Order, Plan, SecretFacts, Step, plan
from deplite_operator.policies.secrets import secret_holds
from deplite_operator.policies.secrettemplate import Marks

URL = "https://deplite.example"
KNOWN, OTHER, CODE = mint("tk"), mint("tk"), mint("enr")
OURS, THEIRS = "tok-a", "tok-b"


def order(*, known: str | None = KNOWN.sha256, rotate: bool = False) -> Order:
    return Order(owner=OURS, kind="tk", url=URL, known_sha256=known, rotate=rotate)


def secret(plain: str | None, owner: str | None = OURS, url: str | None = URL, **more: bytes) -> SecretFacts:
    data = dict(more)
    data |= {"token": plain.encode()} if plain is not None else {}
    data |= {"url": url.encode()} if url is not None else {}
    return SecretFacts(data=data, marks=Marks(labels={} if owner is None else {OWNER_LABEL: owner}))


@pytest.mark.parametrize(
    ("wanted", "found", "step"),
    [
        (order(known=None), None, Step.MINT),
        (order(), None, Step.MINT),
        (order(), secret(KNOWN.plain), Step.KEEP),
        (order(), secret(f"{KNOWN.plain}\n"), Step.KEEP),
        (order(), secret(OTHER.plain), Step.MINT),  # rotated away, or a crash between the Secret and the status
        (order(), secret(OTHER.plain, owner=None), Step.REFUSE),
        (order(known=None), secret(OTHER.plain), Step.KEEP),  # the first crash
        (order(known=None), secret(KNOWN.plain, owner=None), Step.MARK),
        (order(known=None), secret(KNOWN.plain, owner=None, url="https://other.example"), Step.REFUSE),
        (order(), secret(KNOWN.plain, owner=None, url="https://other.example"), Step.MARK),
        (order(known=None), secret(KNOWN.plain, owner=None, url=None), Step.MARK),
        (order(), secret(KNOWN.plain, url="https://old.example"), Step.MARK),
        (order(rotate=True), secret(KNOWN.plain), Step.MINT),
        (order(rotate=True), secret(OTHER.plain), Step.MINT),
        (order(rotate=True), secret(OTHER.plain, owner=None), Step.MINT),
        (order(rotate=True, known=None), secret(KNOWN.plain), Step.KEEP),
        (order(), secret(KNOWN.plain, owner=THEIRS), Step.REFUSE),
        (order(), secret("garbled"), Step.MINT),
        (order(), secret("garbled", owner=None), Step.REFUSE),
        (order(), secret(CODE.plain, owner=None), Step.REFUSE),
        (order(), secret(None, owner=None, url=None, password=b"x"), Step.REFUSE),
        (order(), secret(None, owner=None, url=None), Step.MINT),
    ],
)
def test_plan(wanted: Order, found: SecretFacts | None, step: Step) -> None:
    assert plan(wanted, found).step is step


@pytest.mark.parametrize(
    ("wanted", "found", "step", "why"),
    [
        (order(), secret(KNOWN.plain), Step.KEEP, ""),
        (order(), secret(KNOWN.plain, owner=None), Step.MARK, ""),
        (order(), secret(KNOWN.plain, url=None), Step.KEEP, "`url` cannot be written"),
        (order(rotate=True), secret(KNOWN.plain), Step.REFUSE, "nothing can be minted"),
        (order(), secret("garbled", owner=None), Step.REFUSE, "something else"),
    ],
)
def test_what_is_immutable_is_never_written(wanted: Order, found: SecretFacts, step: Step, why: str) -> None:
    decided = plan(wanted, replace(found, immutable=True))
    assert decided.step is step
    assert why in decided.why
    assert (decided.credential == KNOWN) is (step in {Step.KEEP, Step.MARK})


@pytest.mark.parametrize(
    ("wanted", "found", "step"),
    [
        (order(known=None), secret(None, owner=None, url=None), Step.REFUSE),
        (order(rotate=True), secret(KNOWN.plain), Step.REFUSE),
        (order(), secret(OTHER.plain), Step.REFUSE),
        (order(known=None), secret(KNOWN.plain, owner=None), Step.MARK),  # nothing but labels and url
        (order(), secret(KNOWN.plain), Step.KEEP),
    ],
)
def test_nothing_is_minted_into_what_something_else_controls(wanted: Order, found: SecretFacts, step: Step) -> None:
    assert plan(wanted, replace(found, foreign=True)).step is step


@pytest.mark.parametrize(
    ("labels", "step"),
    [
        ({OWNER_LABEL: "enr-a", OWNER_UID_LABEL: "u1"}, Step.KEEP),
        ({OWNER_LABEL: "enr-a", OWNER_UID_LABEL: "u0"}, Step.MINT),  # of an object of this name that is gone
        ({OWNER_LABEL: "enr-a"}, Step.MINT),
        ({}, Step.MARK),
        ({OWNER_LABEL: "enr-b", OWNER_UID_LABEL: "u0"}, Step.REFUSE),
    ],
)
def test_no_code_comes_back(labels: dict[str, str], step: Step) -> None:
    wanted = Order(owner="enr-a", kind="enr", url=URL, known_sha256=None, rotate=False, owner_uid="u1")
    found = SecretFacts(data={"token": CODE.plain.encode(), "url": URL.encode()}, marks=Marks(labels=labels))
    assert plan(wanted, found).step is step


def test_what_is_kept_is_what_the_secret_holds() -> None:
    assert plan(order(known=None), secret(OTHER.plain)).credential == OTHER


def test_no_record_shows_the_plain_text() -> None:
    records = (
        secret(KNOWN.plain),
        Plan(step=Step.KEEP, credential=KNOWN),
        Deposit(finding=secret_holds("s"), credential=KNOWN),
        order(),
    )
    assert all(KNOWN.plain not in repr(record) for record in records)
