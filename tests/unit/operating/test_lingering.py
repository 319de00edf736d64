"""Which pods a new DaemonSet waits for, how that is said, and which ones nobody waits for."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from deplite_operator.policies.lingering import pods_terminating
from deplite_operator.policies.pods import PodFacts
from tests.unit.operating.builders import NOW


def pod(node: str = "n1", *, left: float | None = 600, **changed: Any) -> PodFacts:
    """Return one of an earlier DaemonSet that has so many seconds left; None: nobody told it to end."""
    ends_at = None if left is None else NOW + timedelta(seconds=left)
    facts = PodFacts(name=f"p-{node}", uid=node, controller="earlier", account="a", node=node, ready=True)
    return replace(facts, ends_at=ends_at, **changed)


@pytest.mark.parametrize(
    ("given", "waits"),
    [
        (pod(), True),
        (pod(left=0), True),
        (pod(left=-59), True),
        (pod(left=-60), False),
        (pod(left=None), True),
        (pod(controller=""), True),
        (pod(controller="", left=None), False),
        (pod(controller="", left=-60), False),
        (pod(account="another"), False),
        (pod(account="another", left=None), False),
        (pod(ready=False), True),
    ],
    ids=[
        "draining",
        "its time is over",
        "its time is over for less than a minute",
        "its node is cut off",
        "not told to end yet",
        "draining, of nobody",
        "of nobody: the new one takes it in",
        "of nobody, and its node is cut off",
        "it cannot enrol",
        "it cannot enrol, and runs on",
        "not ready",
    ],
)
def test_who_is_waited_for(given: PodFacts, waits: bool) -> None:
    assert (pods_terminating([given], "a", NOW) is not None) is waits


def test_it_says_where_and_until_when() -> None:
    found = pods_terminating([pod("n2", left=90), pod("n1", left=30), pod("n3", left=-99)], "a", NOW)
    assert found is not None
    assert (found.status, found.reason, found.stalled) == ("False", "PodsTerminating", False)
    assert found.message == (
        "Pods of an earlier DaemonSet are still on n1, n2, where jobs may go on until 2026-06-01T12:01:30Z; "
        "a new one is made after them."
    )
    assert pods_terminating([pod("n1", left=30), pod("n2", left=90)], "a", NOW + timedelta(seconds=20)) == found


def test_pods_that_nobody_told_to_end_are_named() -> None:
    found = pods_terminating([pod("n2"), pod("n1", left=None)], "a", NOW)
    assert found is not None
    assert found.message == (
        "Pods of an earlier DaemonSet are still on n1, n2; a new one is made after them; "
        "if they stay, delete them: p-n1."
    )


def test_nobody_is_waited_for_where_there_are_no_pods() -> None:
    assert pods_terminating([], "a", NOW) is None
