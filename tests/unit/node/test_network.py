"""What becomes of NetworkPolicies: which first packets pass."""

from typing import Any

import pytest

from tests.node.network.pods import pods_of, selects
from tests.node.network.rules import ruleset
from tests.unit.node.packets import Firewall

WEB, DATA, OTHER, FAR = "10.244.0.2", "10.244.0.3", "10.244.0.4", "10.244.0.5"
OUTSIDE = "93.184.216.34"


def pod(address: str, namespace: str = "shop", ports: dict[str, int] | None = None, **labels: str) -> dict[str, Any]:
    named = [{"name": name, "containerPort": number} for name, number in (ports or {}).items()]
    return {
        "metadata": {"namespace": namespace, "name": address, "labels": labels},
        "spec": {"containers": [{"ports": named}]},
        "status": {"phase": "Running", "podIPs": [{"ip": address}, {"ip": "fd00::7"}]},
    }


PODS = [
    pod(WEB, app="web", ports={"http": 8080}),
    pod(DATA, app="data", ports={"sql": 5432}),
    pod(OTHER, app="other", ports={"sql": 6543}),
    pod(FAR, "away", app="web"),
]
NAMESPACES = [
    {"metadata": {"name": "shop", "labels": {"kubernetes.io/metadata.name": "shop"}}},
    {"metadata": {"name": "away", "labels": {"kubernetes.io/metadata.name": "away", "team": "far"}}},
]


def policy(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "shop", "name": "p"}, "spec": spec}


def firewall(*policies: dict[str, Any]) -> Firewall:
    return Firewall(ruleset(policies, PODS, NAMESPACES))


def selecting(**labels: str) -> dict[str, Any]:
    return {"matchLabels": labels}


def test_without_policies_everything_passes() -> None:
    assert firewall().lets(FAR, DATA, 5432)


def test_answers_pass_before_anything_is_asked() -> None:
    assert firewall(policy(podSelector={}, policyTypes=["Ingress", "Egress"])).answers_pass_first()


def test_one_that_allows_nothing_closes_its_namespace_alone() -> None:
    closed = firewall(policy(podSelector={}))
    assert not closed.lets(FAR, DATA, 5432)
    assert not closed.lets(OUTSIDE, WEB, 8080)
    assert closed.lets(OUTSIDE, FAR, 80)
    assert closed.lets(WEB, FAR, 80)  # it says nothing of what goes out


def test_who_may_call_and_at_which_port() -> None:
    rule = {"from": [{"podSelector": selecting(app="web")}], "ports": [{"port": "sql", "protocol": "TCP"}]}
    found = firewall(policy(podSelector=selecting(app="data"), ingress=[rule]))
    assert found.lets(WEB, DATA, 5432)
    assert not found.lets(WEB, DATA, 22)
    assert not found.lets(WEB, DATA, 5432, "udp")
    assert not found.lets(OTHER, DATA, 5432)
    assert not found.lets(FAR, DATA, 5432)  # the same labels, elsewhere
    assert found.lets(FAR, OTHER, 5432)


def test_pods_of_namespaces_with_a_label() -> None:
    peers = [{"namespaceSelector": selecting(team="far"), "podSelector": selecting(app="web")}]
    found = firewall(policy(podSelector=selecting(app="data"), ingress=[{"from": peers}]))
    assert found.lets(FAR, DATA, 1)
    assert not found.lets(WEB, DATA, 1)
    every = firewall(policy(podSelector=selecting(app="data"), ingress=[{"from": [{"namespaceSelector": {}}]}]))
    assert every.lets(FAR, DATA, 1)
    assert every.lets(WEB, DATA, 1)
    assert not every.lets(OUTSIDE, DATA, 1)


def test_blocks_have_exceptions() -> None:
    blocks = [
        {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8", "169.254.0.0/16"]}},
        {"ipBlock": {"cidr": "::/0", "except": ["fe80::/10"]}},
        {"ipBlock": {"cidr": "10.96.0.1/32"}},
    ]
    found = firewall(policy(podSelector=selecting(app="web"), egress=[{"to": blocks, "ports": [{"port": 443}]}]))
    assert found.lets(WEB, OUTSIDE, 443)
    assert found.lets(WEB, "10.96.0.1", 443)
    assert not found.lets(WEB, "10.96.0.2", 443)
    assert not found.lets(WEB, "169.254.169.254", 443)
    assert not found.lets(WEB, OUTSIDE, 80)
    assert not found.lets(OUTSIDE, WEB, 443)  # without policyTypes it is about what comes in, too
    assert found.lets(DATA, "169.254.169.254", 80)


def test_a_block_that_is_all_exception_is_nowhere() -> None:
    nowhere = [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8"]}}]
    found = firewall(policy(podSelector=selecting(app="web"), policyTypes=["Egress"], egress=[{"to": nowhere}]))
    assert not found.lets(WEB, "10.1.2.3", 443)
    assert not found.lets(WEB, OUTSIDE, 443)


def test_a_named_port_outward_is_that_of_each_receiver() -> None:
    to = [{"podSelector": {}}]
    for rule in ({"to": to, "ports": [{"port": "sql"}]}, {"ports": [{"port": "sql"}]}):
        found = firewall(policy(podSelector=selecting(app="web"), policyTypes=["Egress"], egress=[rule]))
        assert found.lets(WEB, DATA, 5432)
        assert found.lets(WEB, OTHER, 6543)
        assert not found.lets(WEB, OTHER, 5432)
        assert not found.lets(WEB, FAR, 5432)
        assert not found.lets(WEB, OUTSIDE, 5432)


def test_ports_from_to_and_of_other_protocols() -> None:
    ports = [{"port": 8000, "endPort": 8080}, {"protocol": "UDP", "port": 53}, {"protocol": "SCTP"}]
    found = firewall(policy(podSelector=selecting(app="web"), policyTypes=["Ingress"], ingress=[{"ports": ports}]))
    assert [found.lets(OUTSIDE, WEB, port) for port in (7999, 8000, 8080, 8081)] == [False, True, True, False]
    assert [found.lets(OUTSIDE, WEB, 53, protocol) for protocol in ("udp", "tcp", "sctp")] == [True, False, True]


def test_policies_add_up_and_both_ends_must_agree() -> None:
    may_send = policy(podSelector=selecting(app="web"), policyTypes=["Egress"], egress=[{"ports": [{"port": 5432}]}])
    may_send_more = policy(
        podSelector={}, policyTypes=["Egress"], egress=[{"ports": [{"port": 53, "protocol": "UDP"}]}]
    )
    may_get = policy(podSelector=selecting(app="data"), ingress=[{"from": [{"podSelector": selecting(app="other")}]}])
    assert firewall(may_send, may_send_more).lets(WEB, DATA, 5432)
    assert firewall(may_send, may_send_more).lets(WEB, DATA, 53, "udp")
    assert not firewall(may_send, may_get).lets(WEB, DATA, 5432)
    assert not firewall(may_get, may_send_more).lets(OTHER, DATA, 5432)


def test_pods_that_have_ended_or_live_in_their_nodes_network_are_none() -> None:
    ended, hosted, pending = pod(WEB), pod(WEB), pod(WEB)
    ended["status"]["phase"] = "Succeeded"
    hosted["spec"]["hostNetwork"] = True
    del pending["status"]["podIPs"]
    assert pods_of([ended, hosted, pending]) == []


@pytest.mark.parametrize(
    ("expression", "meant"),
    [
        ({"key": "app", "operator": "In", "values": ["web", "data"]}, [True, False, False]),
        ({"key": "app", "operator": "NotIn", "values": ["web"]}, [False, True, True]),
        ({"key": "app", "operator": "Exists"}, [True, True, False]),
        ({"key": "app", "operator": "DoesNotExist"}, [False, False, True]),
    ],
)
def test_expressions(expression: dict[str, Any], meant: list[bool]) -> None:
    labels = [{"app": "web"}, {"app": "other"}, {"tier": "x"}]
    assert [selects({"matchExpressions": [expression]}, one) for one in labels] == meant


def test_an_unknown_operator_is_an_error() -> None:
    with pytest.raises(ValueError, match="Near"):
        selects({"matchExpressions": [{"key": "app", "operator": "Near"}]}, {})
