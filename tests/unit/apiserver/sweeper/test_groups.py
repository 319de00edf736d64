"""Whose turn it is in a concurrency group: by tables, and by every history that hypothesis thinks of."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deplite.protocol.phases import Phase
from deplite.resources.deployjob import Cancel
from deplite_apiserver.jobs.view import LiveJob
from deplite_apiserver.sweeper.groups import step
from tests.unit.apiserver.jobs.builders import NOW, live

CANCEL = Cancel(by="olga")


def member(number: int, state: str = "waits", *, replaces: bool = False, cancelled: bool = False) -> LiveJob:
    """Return the job of a number, e.g. `turn`: it has the group, and no agent has claimed it."""
    return replace(
        live(spec={"concurrencyGroup": "prod"}),
        name=f"j-{number}",
        place=number,
        replaces=replaces,
        turn_at=None if state == "waits" else NOW,
        phase=Phase.RUNNING if state == "runs" else Phase.QUEUED,
        cancel=CANCEL if cancelled else None,
    )


def names(jobs: tuple[LiveJob, ...]) -> list[str]:
    return [job.name for job in jobs]


@pytest.mark.parametrize(
    ("members", "superseded", "turn"),
    [
        ([], [], None),
        ([member(1)], [], "j-1"),
        ([member(2), member(1)], [], "j-1"),
        ([member(1, "turn"), member(2)], [], None),
        ([member(1, "runs"), member(2)], [], None),
        ([member(2, "runs"), member(1)], [], None),
        ([member(1, cancelled=True), member(2)], [], "j-2"),
        ([member(1, "turn", cancelled=True), member(2)], [], None),
        ([member(1, replaces=True)], [], "j-1"),
        ([member(1, "runs"), member(2), member(3, replaces=True)], ["j-1", "j-2"], None),
        ([member(1, "runs", cancelled=True), member(2), member(3, replaces=True)], ["j-2"], None),
        ([member(1), member(2, replaces=True), member(3)], ["j-1"], "j-2"),
        ([member(1, replaces=True), member(2, replaces=True)], ["j-1"], "j-2"),
        ([member(1), member(2, replaces=True, cancelled=True)], [], "j-1"),
        ([member(1, "runs", replaces=True), member(2)], [], None),
    ],
)
def test_table(members: list[LiveJob], superseded: list[str], turn: str | None) -> None:
    found = step(members)
    assert names(found.superseded) == superseded
    assert (found.next.name if found.next else None) == turn
    assert (found.by is not None) is bool(superseded)


def test_the_order_is_that_of_creation_then_of_acceptance_then_of_the_name() -> None:
    early = replace(member(9), created_at=NOW - timedelta(seconds=1))
    assert step([member(1), early]).next == early
    twins = [replace(member(5), name=name) for name in ("j-b", "j-a")]
    assert step(twins).next == twins[1]


events = st.lists(st.sampled_from(["queue", "replace", "claim", "end", "cancel"]), max_size=40)


@given(events)
def test_one_at_a_time_in_order_and_nobody_is_dropped(history: list[str]) -> None:
    line: dict[str, LiveJob] = {}
    started: list[int] = []
    newest_replace = made = 0
    for event in [*history, *["claim", "end"] * len(history)]:
        holder = next((job for job in line.values() if not job.waits_for_group), None)
        if event in ("queue", "replace"):
            made += 1
            line[f"j-{made}"] = member(made, replaces=event == "replace")
            newest_replace = made if event == "replace" else newest_replace
        elif event == "claim" and holder is not None and holder.queued and holder.cancel is None:
            line[holder.name] = replace(holder, phase=Phase.RUNNING)
            started.append(holder.place)
        elif event == "end" and holder is not None:
            del line[holder.name]
        elif event == "cancel" and holder is not None:
            line[holder.name] = replace(holder, cancel=CANCEL)
        found = step(line.values())
        for job in found.superseded:
            assert job.place < newest_replace
            line[job.name] = replace(job, cancel=CANCEL)
            if job.queued:
                del line[job.name]
        if found.next is not None:
            line[found.next.name] = replace(found.next, turn_at=NOW)
        assert sum(not job.waits_for_group for job in line.values()) <= 1
    assert not line
    assert started == sorted(started)
