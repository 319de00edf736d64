"""What the pods of a pool tell, as the kubelet and the scheduler say it."""

from datetime import timedelta
from typing import Any

import pytest

from deplite_operator.policies.pods import PodFacts, Trouble, pod_of
from tests.unit.operating.builders import NOW, pod, waiting

UNSCHEDULABLE = {
    "phase": "Pending",
    "conditions": [
        {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": "0/3 nodes: 1 Insufficient cpu.",
        }
    ],
}
LAST = {"exitCode": 1, "reason": "Error"}


def facts(body: dict[str, Any], age: float = 3600) -> PodFacts:
    body["metadata"]["creationTimestamp"] = (NOW - timedelta(seconds=age)).isoformat()
    found = pod_of(body, NOW)
    assert found is not None
    return found


def running(restarts: int, seconds: float) -> dict[str, Any]:
    began = (NOW - timedelta(seconds=seconds)).isoformat()
    agent = {"name": "agent", "restartCount": restarts, "state": {"running": {"startedAt": began}}}
    agent["lastState"] = {"terminated": LAST}
    return {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [agent]}


def test_a_pod_that_runs() -> None:
    found = facts(pod())
    assert found == PodFacts(
        name="linux-agents-n1",
        uid="pod-n1",
        controller="ds",
        account="linux-agents",
        node="n1",
        ready=True,
        image="deplite/agent:1",
    )
    assert not found.ending


@pytest.mark.parametrize(
    ("status", "trouble", "detail"),
    [
        (UNSCHEDULABLE, Trouble.UNSCHEDULABLE, "0/3 nodes: 1 Insufficient cpu."),
        (waiting("ErrImagePull", "not found"), Trouble.PULLING, "not found"),
        (
            waiting("ImagePullBackOff", 'Back-off pulling image "x": ErrImagePull: not found'),
            Trouble.PULLING,
            "not found",
        ),
        (waiting("InvalidImageName"), Trouble.PULLING, "InvalidImageName"),
        (waiting("CrashLoopBackOff", "back-off 10s", 3, LAST), Trouble.ENDING, "1"),
        (waiting("CrashLoopBackOff", "back-off 10s", 3), Trouble.ENDING, "unknown"),
        (waiting("CrashLoopBackOff", "", 3, LAST | {"reason": "OOMKilled"}), Trouble.MEMORY, ""),
        (waiting("CreateContainerConfigError", "no user"), Trouble.REFUSED, "no user"),
        (waiting("ContainerCreating"), Trouble.STUCK, ""),
        (running(3, 30), Trouble.ENDING, "1"),
        (running(3, 90), None, ""),
        (running(1, 5), None, ""),
        ({"phase": "Pending"}, None, ""),
        ({}, None, ""),
    ],
    ids=str,
)
def test_trouble(status: dict[str, Any], trouble: Trouble | None, detail: str) -> None:
    found = facts(pod(status=status))
    assert (found.trouble, found.detail) == (trouble, detail)


def test_a_pod_that_is_being_set_up_has_time_for_it() -> None:
    assert facts(pod(status=waiting("ContainerCreating")), age=5).trouble is None


def test_a_process_that_has_just_ended_again_is_no_news_of_setting_up() -> None:
    ended = {"name": "agent", "restartCount": 1, "state": {"terminated": {"exitCode": 3}}}
    found = facts(pod(status={"phase": "Running", "containerStatuses": [ended]}))
    assert (found.trouble, found.detail) == (Trouble.ENDING, "3")


def test_a_pod_without_a_place_tells_for_which_node_it_is() -> None:
    body = pod()
    fields = [{"key": "metadata.name", "operator": "In", "values": ["n7"]}]
    required = {"nodeSelectorTerms": [{"matchFields": fields}]}
    body["spec"] |= {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}
    del body["spec"]["nodeName"]
    assert facts(body).node == "n7"
    del body["spec"]["affinity"]
    assert (facts(body).node, facts(body).place) == ("", "a node")


def test_what_others_put_into_a_pod_is_not_its_agent() -> None:
    body = pod(status=waiting("ErrImagePull"))
    body["status"]["containerStatuses"][0]["name"] = "istio-proxy"
    assert facts(body).trouble is None


@pytest.mark.parametrize(
    ("owners", "controller"),
    [
        ([{"kind": "DaemonSet", "uid": "another", "controller": True}], "another"),
        ([{"kind": "DaemonSet", "uid": "ds"}, {"kind": "ReplicaSet", "uid": "rs", "controller": True}], "rs"),
        ([{"kind": "DaemonSet", "uid": "ds"}], ""),
        ([], ""),
    ],
    ids=["of another", "of one of two", "not controlled", "of nobody"],
)
def test_who_controls_a_pod(owners: list[dict[str, Any]], controller: str) -> None:
    assert facts(pod(ownerReferences=owners)).controller == controller


@pytest.mark.parametrize("status", [{"phase": "Failed", "reason": "Evicted"}, {"phase": "Succeeded"}], ids=str)
def test_a_pod_that_has_ended_is_none(status: dict[str, Any]) -> None:
    assert pod_of(pod(status=status), NOW) is None


def test_a_pod_that_ends_tells_until_when() -> None:
    found = facts(pod(deletionTimestamp="2026-06-01T12:09:00Z"))
    assert found.ending
    assert found.ends_at == NOW + timedelta(minutes=9)
