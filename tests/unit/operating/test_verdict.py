from datetime import timedelta
from typing import Any

from deplite.resources.resource import utc
from deplite_operator.conditions import not_ready, ready, stalled
from deplite_operator.policies.agent import judge_agent
from deplite_operator.verdict import Verdict, status_patch
from tests.unit.operating.builders import NOW, agent

LATER = NOW + timedelta(minutes=5)


def condition(type_: str, status: str, reason: str, message: str = "m") -> dict[str, Any]:
    shape = {"type": type_, "status": status, "reason": reason, "message": message}
    return shape | {"lastTransitionTime": utc(NOW), "observedGeneration": 3}


def test_first_look_says_everything() -> None:
    patch = status_patch(agent(), Verdict(findings=(ready("Available", "m"),), fields={"id": "ag-x"}), NOW)
    assert patch == {"observedGeneration": 3, "conditions": [condition("Ready", "True", "Available")], "id": "ag-x"}


def test_second_look_patches_nothing() -> None:
    first = status_patch(agent(), judge_agent(agent()), NOW)
    assert status_patch(agent(**first), judge_agent(agent()), LATER) == {}


def test_transition_time_changes_only_with_the_status() -> None:
    present = agent(conditions=[condition("Ready", "False", "NotEnrolled")])
    same = status_patch(present, Verdict(findings=(not_ready("Disconnected", "m"),)), LATER)["conditions"]
    assert same == [condition("Ready", "False", "Disconnected")]
    other = status_patch(present, Verdict(findings=(ready("Connected", "m"),)), LATER)["conditions"]
    assert other == [condition("Ready", "True", "Connected") | {"lastTransitionTime": utc(LATER)}]


def test_conditions_of_others_stay_and_ours_that_ended_go() -> None:
    present = agent(
        conditions=[
            condition("DuplicateIdentity", "True", "TwoMachines"),
            condition("SecretsReady", "False", "RoleBindingMissing"),
        ]
    )
    found = status_patch(present, Verdict(findings=(ready("Connected", "m"),)), NOW)["conditions"]
    assert [entry["type"] for entry in found] == ["DuplicateIdentity", "Ready"]


def test_message_is_bounded() -> None:
    patch = status_patch(agent(), Verdict(findings=(ready("Connected", "x" * 9999),)), NOW)
    assert len(patch["conditions"][0]["message"]) == 4096


def test_what_waiting_does_not_end_is_stalled_as_long_as_it_lasts() -> None:
    verdict = Verdict(findings=(stalled("AgentRevoked", "m"),))
    stuck = status_patch(agent(), verdict, NOW)["conditions"]
    assert stuck == [condition("Ready", "False", "AgentRevoked"), condition("Stalled", "True", "AgentRevoked")]
    better = status_patch(agent(conditions=stuck), Verdict(findings=(not_ready("Disconnected", "m"),)), LATER)
    assert better["conditions"] == [condition("Ready", "False", "Disconnected")]
