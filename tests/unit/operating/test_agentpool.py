"""AgentPool as a table: what is found of its DaemonSet, pods and agents in, reason out; and who goes."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from deplite.kube.errors import ForbiddenError, InvalidError
from deplite.resources import Agent
from deplite.resources.agentpool import PoolAccount
from deplite.resources.resource import utc
from deplite_operator.policies.agentpool import (
    DaemonSetFacts,
    PoolFacts,
    daemon_set_facts,
    departed,
    judge_agent_pool,
    unexplained,
)
from deplite_operator.policies.pods import PodFacts, Trouble
from deplite_operator.policies.poolobstacles import (
    config_map_missing,
    name_taken,
    object_forbidden,
    object_invalid,
    pools_forbidden,
)
from deplite_operator.verdict import Verdict
from tests.unit.operating.builders import NOW, pool, pool_agent

ACCOUNT = PoolAccount(name="linux-agents", uid="sa")


def daemon_set(**changed: Any) -> DaemonSetFacts:
    return replace(DaemonSetFacts(uid="ds", seen=True, desired=2, updated=2, ready=2), **changed)


def pod(node: str, **changed: Any) -> PodFacts:
    """Return one of the DaemonSet, running."""
    facts = PodFacts(
        name=f"linux-agents-{node}", uid=f"pod-{node}", controller="ds", node=node, ready=True, image="i:1"
    )
    return replace(facts, **changed)


def known(*agents: Agent) -> dict[str, Agent]:
    return {agent.name: agent for agent in agents}


def facts(**changed: Any) -> PoolFacts:
    """Return two nodes that each have all."""
    whole = PoolFacts(
        image="i:1",
        account=ACCOUNT,
        daemon_set=daemon_set(),
        pods=(pod("n1"), pod("n2")),
        agents=known(pool_agent("n1"), pool_agent("n2")),
    )
    return replace(whole, **changed)


def ready(verdict: Verdict) -> tuple[str, str]:
    (finding,) = verdict.findings
    return finding.status, finding.reason


def message(given: PoolFacts, told: str = "", **spec: Any) -> str:
    (finding,) = judge_agent_pool(pool(**spec), given, told).findings
    return finding.message


TROUBLED = {
    Trouble.UNSCHEDULABLE: "PodsUnschedulable",
    Trouble.PULLING: "ImagePullFailing",
    Trouble.ENDING: "PodsFailing",
    Trouble.MEMORY: "PodsFailing",
    Trouble.REFUSED: "PodsFailing",
    Trouble.STUCK: "PodsFailing",
}


def with_trouble(trouble: Trouble, detail: str = "") -> PoolFacts:
    pods = (pod("n1"), pod("n2", ready=False, trouble=trouble, detail=detail))
    return facts(daemon_set=daemon_set(ready=1), pods=pods, agents=known(pool_agent("n1")))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (facts(), "Available"),
        (facts(daemon_set=None, pods=(), agents={}), "RollingOut"),
        (facts(daemon_set=daemon_set(seen=False)), "RollingOut"),
        (facts(daemon_set=daemon_set(desired=0, updated=0, ready=0), pods=()), "NoNodes"),
        (facts(daemon_set=daemon_set(updated=1)), "RollingOut"),
        (facts(daemon_set=daemon_set(ready=1)), "RollingOut"),
        (facts(pods=(pod("n1"),)), "RollingOut"),
        (facts(pods=(pod("n1"), pod("n2", ready=False))), "RollingOut"),
        (facts(pods=(pod("n1"), pod("n2"), pod("n3", ends_at=NOW))), "RollingOut"),
        (facts(pods=(pod("n1"), pod("n2"), pod("n3", ready=False, controller="earlier"))), "Available"),
        (facts(pods=(pod("n1"), pod("n2", controller=""))), "RollingOut"),
        (facts(agents=known(pool_agent("n1"))), "AgentsNotConnected"),
        (facts(agents=known(pool_agent("n1"), pool_agent("n2", state="Disconnected"))), "AgentsNotConnected"),
        (facts(agents=known(pool_agent("n1"), pool_agent("n2", pod="an earlier one"))), "AgentsNotConnected"),
        (facts(agents=known(pool_agent("n1"), pool_agent("n2"), pool_agent("n3", state="Disconnected"))), "Available"),
        (facts(agents=known(pool_agent("n1"), pool_agent("n2", spec={"suspended": True}))), "Available"),
        *((with_trouble(trouble), reason) for trouble, reason in TROUBLED.items()),
    ],
)
def test_reasons(given: PoolFacts, reason: str) -> None:
    verdict = judge_agent_pool(pool(), given)
    assert ready(verdict) == ("True" if reason == "Available" else "False", reason)
    assert verdict.unsettled is (reason != "Available")


def test_every_trouble_is_told() -> None:
    assert TROUBLED.keys() == set(Trouble)


def test_a_revoked_agent_is_told_before_the_trouble_of_its_pod() -> None:
    given = with_trouble(Trouble.ENDING, "3")
    revoked = pool_agent("n2", spec={"revoked": True}, state="Revoked")
    verdict = judge_agent_pool(pool(), replace(given, agents=known(pool_agent("n1"), revoked)))
    assert ready(verdict) == ("False", "AgentRevoked")
    assert verdict.findings[0].stalled
    assert not verdict.unsettled


def test_pods_that_kubernetes_refuses_are_told_with_its_words() -> None:
    given = facts(daemon_set=daemon_set(ready=0, updated=0), pods=(), agents={})
    assert ready(judge_agent_pool(pool(), given)) == ("False", "RollingOut")
    told = 'Error creating: pods "linux-agents-…" is forbidden: violates PodSecurity "restricted:latest"'
    assert ready(judge_agent_pool(pool(), given, told)) == ("False", "PodsRefused")
    assert message(given, told).endswith(f"{told}.")


def test_a_warning_about_a_full_pool_is_old() -> None:
    assert ready(judge_agent_pool(pool(), facts(), "Error creating: …")) == ("True", "Available")


@pytest.mark.parametrize(
    ("trouble", "detail", "words"),
    [
        (Trouble.UNSCHEDULABLE, "Insufficient cpu", ("The pod on n2", "spec.resources.requests", "Insufficient cpu.")),
        (Trouble.PULLING, "not found", ("i:1", "agent.image of the chart", "not found.")),
        (Trouble.ENDING, "1", ("exit code 1", "kubectl -n org-a logs linux-agents-n2 --previous.")),
        (Trouble.MEMORY, "", ("spec.resources.limits.memory.",)),
        (Trouble.REFUSED, "no such user", ("cannot be started: no such user.",)),
        (Trouble.STUCK, "", ("kubectl -n org-a describe pod linux-agents-n2", "is still being set up.")),
    ],
)
def test_each_trouble_says_what_to_do(trouble: Trouble, detail: str, words: tuple[str, ...]) -> None:
    said = message(with_trouble(trouble, detail))
    assert [word for word in words if word not in said] == []


def test_an_image_of_the_spec_is_the_specs_to_correct() -> None:
    assert "correct spec.image" in message(with_trouble(Trouble.PULLING, "x"), image="mine")


def test_the_commonest_trouble_is_told_and_how_many_have_it() -> None:
    pods = tuple(pod(f"n{n}", ready=False, trouble=Trouble.PULLING, detail="x") for n in range(5))
    pods += (pod("n9", ready=False, trouble=Trouble.ENDING, detail="1"),)
    said = message(facts(daemon_set=daemon_set(desired=6, ready=0), pods=pods, agents={}))
    assert said.startswith("The pod on n0, n1, n2 and 2 more cannot get the image")


def test_a_pod_that_is_told_to_end_has_no_trouble_that_matters() -> None:
    pods = (pod("n1"), pod("n2"), pod("n2", ends_at=NOW, ready=False, trouble=Trouble.ENDING))
    said = message(facts(pods=pods))
    assert said == "2 of 2 nodes have a pod as the spec says; jobs on n2 may go on for 600 s."


def test_an_obstacle_goes_before_all_and_the_counts_stay_true() -> None:
    verdict = judge_agent_pool(pool(), facts(obstacle=config_map_missing("flows")))
    assert ready(verdict) == ("False", "ConfigMapMissing")
    assert (verdict.fields["desired"], verdict.fields["ready"]) == (2, 2)


def test_the_status_counts() -> None:
    verdict = judge_agent_pool(pool(), facts(daemon_set=daemon_set(updated=1), agents=known(pool_agent("n2"))))
    assert verdict.fields == {
        "agents": ["linux.n2"],
        "image": "i:1",
        "serviceAccount": {"name": "linux-agents", "uid": "sa"},
        "desired": 2,
        "updated": 1,
        "ready": 1,
    }


def test_a_pod_of_another_controller_does_not_count() -> None:
    verdict = judge_agent_pool(pool(), facts(pods=(pod("n1"), pod("n2", controller="earlier"))))
    assert verdict.fields["ready"] == 1


def test_what_is_there_under_its_name_but_not_its_own_is_not_counted() -> None:
    given = PoolFacts(image="i:1", account=ACCOUNT, obstacle=name_taken("DaemonSet", "linux-agents"))
    account = {"name": "linux-agents", "uid": "sa"}
    fields = {"agents": [], "image": "i:1", "serviceAccount": account, "desired": 0, "updated": 0, "ready": 0}
    assert judge_agent_pool(pool(), given).fields == fields
    assert judge_agent_pool(pool(), replace(given, account=None)).fields == fields | {"serviceAccount": None}


def test_where_nobody_could_look_the_counts_stay_as_they_were() -> None:
    verdict = judge_agent_pool(pool(), PoolFacts(obstacle=pools_forbidden("org-a", "deplite-system")))
    assert verdict.fields == {"agents": []}
    assert "kind: RoleBinding" in verdict.findings[0].message
    assert "name: deplite-operator-pools" in verdict.findings[0].message


@pytest.mark.parametrize(
    ("finding", "stays"),
    [
        (object_invalid(InvalidError("bad\n image")), True),
        (object_forbidden(ForbiddenError("exceeded quota: q")), False),
    ],
)
def test_what_kubernetes_refuses_is_said_in_one_line(finding: Any, stays: bool) -> None:
    assert finding.stalled is stays
    assert "\n" not in finding.message
    assert finding.message.endswith(("bad image.", "exceeded quota: q."))


def test_facts_of_a_daemon_set() -> None:
    status = {"observedGeneration": 2, "desiredNumberScheduled": 3, "updatedNumberScheduled": 2, "numberReady": 1}
    body = {"metadata": {"uid": "ds", "generation": 2}, "status": status}
    assert daemon_set_facts(body) == DaemonSetFacts(uid="ds", seen=True, desired=3, updated=2, ready=1)
    assert not daemon_set_facts({"metadata": {"uid": "ds", "generation": 3}, "status": status}).seen
    assert not daemon_set_facts({"metadata": {"uid": "ds", "generation": 1}, "status": {}}).seen


@pytest.mark.parametrize(
    ("given", "about"),
    [
        (facts(), None),
        (facts(pods=(pod("n1"),)), "ds"),
        (facts(pods=(pod("n1"), pod("n2", controller="earlier"))), "ds"),
        (facts(pods=(pod("n1"),), daemon_set=daemon_set(seen=False)), None),
        (facts(pods=None), None),
        (facts(daemon_set=None), None),
        (with_trouble(Trouble.STUCK), "pod-n2"),
        (with_trouble(Trouble.PULLING), None),
    ],
)
def test_whose_events_are_read(given: PoolFacts, about: str | None) -> None:
    assert unexplained(given) == about


def ago(seconds: float) -> str:
    return utc(NOW - timedelta(seconds=seconds))


GONE = {"state": "Disconnected", "lastSeenAt": ago(901)}


@pytest.mark.parametrize(
    ("agent", "goes"),
    [
        (pool_agent("n3", **GONE), True),
        (pool_agent("n1", **GONE), False),
        (pool_agent("n3", **GONE | {"lastSeenAt": ago(899)}), False),
        (pool_agent("n3", lastSeenAt=ago(9999)), False),
        (pool_agent("n3", spec={"revoked": True}, state="Revoked", lastSeenAt=ago(9999)), False),
        (pool_agent("n3", spec={"revoked": True}, **GONE), False),
        (pool_agent("n3", spec={"suspended": True}, **GONE), False),
        (pool_agent("n3", spec={"workflowRateLimits": [{"workflow": "w", "perDay": 1}]}, **GONE), False),
        (pool_agent("n3", spec={"displayName": "web on n3"}, **GONE), True),
        (pool_agent("n3", state="Pending", publicKey=None, pod=None), True),
    ],
    ids=[
        "gone",
        "its node has a pod",
        "not long enough",
        "connected",
        "revoked",
        "revoked a moment ago",
        "suspended",
        "limited",
        "named",
        "never enrolled",
    ],
)
def test_who_goes(agent: Agent, goes: bool) -> None:
    given = facts(agents=known(agent))
    assert departed(pool(), given, NOW) == ([agent] if goes else [])
    assert departed(pool(), replace(given, pods=None), NOW) == []


def test_a_pod_that_waits_for_a_place_keeps_the_agent_of_its_node() -> None:
    given = facts(pods=(pod("n3", ready=False),), agents=known(pool_agent("n3", **GONE)))
    assert departed(pool(), given, NOW) == []


@pytest.mark.parametrize("there", [None, daemon_set()], ids=["no DaemonSet", "a new DaemonSet"])
def test_a_pod_of_an_earlier_daemon_set_keeps_the_agent_of_its_node(there: DaemonSetFacts | None) -> None:
    given = facts(daemon_set=there, pods=(pod("n3", controller="earlier"),), agents=known(pool_agent("n3", **GONE)))
    assert departed(pool(), given, NOW) == []
    assert departed(pool(), replace(given, pods=()), NOW) == [pool_agent("n3", **GONE)]


def test_how_long_is_as_the_pool_says() -> None:
    given = facts(agents=known(pool_agent("n3", **GONE)))
    assert departed(pool(ttlSecondsAfterDisconnected=902), given, NOW) == []
