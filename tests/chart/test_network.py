"""NetworkPolicies: one a pod, and none reaches the addresses where clouds hand out credentials."""

import ipaddress
from typing import Any

import pytest

from tests.chart.chart import FILES, Helm, Object, of_kind, pods, values
from tests.node.network.pods import selects

METADATA = ipaddress.ip_address("169.254.169.254")
PRIVATE = ipaddress.ip_address("10.0.0.7")
OWN = {"matchLabels": {"kubernetes.io/metadata.name": "deplite-system"}}
CALLERS = {
    "of a named organization": ("org-shop", {}, {"deplite.io/pool": "web"}),
    "of one that others make": ("org-there", {}, {"deplite.io/pool": "web"}),
    "of a labelled organization": ("org-later", {"deplite.io/organization": "true"}, {"deplite.io/pool": "web"}),
    "of another, with the label": ("shop", {}, {"deplite.io/pool": "web"}),
    "of one that is only called so": ("org-forged", {}, {"deplite.io/pool": "web"}),
    "of an organization, without": ("org-shop", {}, {"app": "web"}),
    "of a labelled one, without": ("org-later", {"deplite.io/organization": "true"}, {"app": "web"}),
    "of the Ingress": ("ingress", {}, {"app": "nginx"}),
}
"""Pods: their namespace, what else that is labelled with, and what they are labelled with."""


def reaches(rule: dict[str, Any], address: Any) -> bool:
    """Whether an egress rule (without a selector) reaches an address."""
    if "to" not in rule:
        return True
    return any(
        address in ipaddress.ip_network(peer["ipBlock"]["cidr"])
        and not any(address in ipaddress.ip_network(hole) for hole in peer["ipBlock"].get("except", []))
        for peer in rule["to"]
        if "ipBlock" in peer
    )


def ports(rule: dict[str, Any]) -> set[Any]:
    return {entry["port"] for entry in rule["ports"]}


def let_in(policy: Object) -> set[str]:
    """Return which of the callers the first rule lets in."""
    return {
        who
        for who, (namespace, more, labels) in CALLERS.items()
        for peer in policy["spec"]["ingress"][0]["from"]
        if selects(peer.get("namespaceSelector", OWN), {"kubernetes.io/metadata.name": namespace} | more)
        and selects(peer.get("podSelector", {}), labels)
    }


@pytest.mark.parametrize("name", [name for name in FILES if name != "gateway"])
def test_each_pod_has_a_policy_for_both_directions(rendered: dict[str, list[Object]], name: str) -> None:
    policies = of_kind(rendered[name], "NetworkPolicy")
    assert set(policies) == {f"deplite-system/{owner}" for owner in pods(rendered[name])}
    for owner, template in pods(rendered[name]).items():
        spec = policies[f"deplite-system/{owner}"]["spec"]
        assert spec["policyTypes"] == ["Ingress", "Egress"]
        assert spec["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()


@pytest.mark.parametrize("name", [name for name in FILES if name != "gateway"])
def test_link_local_addresses_are_for_names_only(rendered: dict[str, list[Object]], name: str) -> None:
    for policy in of_kind(rendered[name], "NetworkPolicy").values():
        reached = [rule for rule in policy["spec"]["egress"] if reaches(rule, METADATA)]
        assert all(ports(rule) <= {53, 5353} for rule in reached)


def test_private_networks_are_reached_at_the_named_places_only(rendered: dict[str, list[Object]]) -> None:
    spec = of_kind(rendered["production"], "NetworkPolicy")["deplite-system/deplite-apiserver"]["spec"]
    assert [ports(rule) for rule in spec["egress"] if reaches(rule, PRIVATE)] == [{53, 5353}]
    assert [ports(rule) for rule in spec["egress"] if reaches(rule, ipaddress.ip_address("10.1.0.9"))][1:] == [{9000}]
    assert [ports(rule) for rule in spec["egress"] if reaches(rule, ipaddress.ip_address("10.2.0.9"))][1:] == [
        {26380, 6379}
    ]


def test_pods_of_pools_are_let_in_from_organizations_alone(rendered: dict[str, list[Object]]) -> None:
    assert let_in(of_kind(rendered["production"], "NetworkPolicy")["deplite-system/deplite-apiserver"]) == {
        "of a named organization",
        "of one that others make",
        "of a labelled organization",
        "of the Ingress",
    }
    for file, policy in (("ephemeral", "apiserver"), ("trial", "seaweedfs")):  # these name neither organization
        found = of_kind(rendered[file], "NetworkPolicy")[f"deplite-system/deplite-{policy}"]
        assert let_in(found) == {"of a labelled organization"}
    made = of_kind(rendered["trial"], "Namespace").values()  # the label stays, as the namespace does
    assert [one["metadata"]["labels"]["deplite.io/organization"] for one in made] == ["true"]


@pytest.mark.parametrize(
    ("address", "opened"),
    [
        ("s3.endpoint=https://[2001:db8::1]", {443}),
        ("s3.endpoint=http://[2001:db8::1]", {80}),
        ("s3.endpoint=http://[2001:db8::1]:9000", {9000}),
        ("redis.url=redis://[fd00::17]", {6379}),
        ("redis.url=redis://[fd00::17]:6380/2", {6380}),
        ("redis.url=redis+cluster://[fd00::17]:7000\\,[fd00::18]:7001\\,three", {7000, 7001, 6379}),
        ("redis.url=redis+sentinel://[fd00::17]\\,two:26380/main", {26379, 26380, 6379}),
    ],
)
async def test_a_port_is_what_ends_a_host(helm: Helm, address: str, opened: set[int]) -> None:
    cidrs = ",".join(
        f"networkPolicies.{name}={{{network}}}"
        for name, network in {
            "kubernetesApi.cidrs": "10.96.0.1/32",
            "s3Cidrs": "10.1.0.0/16",
            "redisCidrs": "10.2.0.0/16",
        }.items()
    )
    objects = await helm.template(*values("smallest"), "--set", address, "--set", cidrs)
    spec = of_kind(objects, "NetworkPolicy")["deplite-system/deplite-apiserver"]["spec"]
    store = ipaddress.ip_address("10.1.0.9" if address.startswith("s3") else "10.2.0.9")
    assert [ports(rule) for rule in spec["egress"] if reaches(rule, store)][1:] == [opened]


def test_without_pools_nobody_of_theirs_is_let_in(rendered: dict[str, list[Object]]) -> None:
    policies = of_kind(rendered["bare"], "NetworkPolicy")
    for name in ("apiserver", "seaweedfs"):
        assert let_in(policies[f"deplite-system/deplite-{name}"]) == set()


def test_bundled_stores_are_called_by_the_apiserver_alone_and_call_nobody(rendered: dict[str, list[Object]]) -> None:
    policies = of_kind(rendered["trial"], "NetworkPolicy")
    caller = pods(rendered["trial"])["deplite-apiserver"]["metadata"]["labels"]
    for store in ("valkey", "seaweedfs"):
        spec = policies[f"deplite-system/deplite-{store}"]["spec"]
        assert spec["egress"] == []
        (peers,) = (rule["from"] for rule in spec["ingress"])
        assert peers[0]["podSelector"]["matchLabels"].items() <= caller.items()
        assert len(peers) == (3 if store == "seaweedfs" else 1)  # agents upload artifacts
    uploads = of_kind(rendered["ephemeral"], "NetworkPolicy")["deplite-system/deplite-seaweedfs"]["spec"]["ingress"]
    assert "from" not in uploads[0]  # a public endpoint is for those who upload as well


@pytest.mark.parametrize(
    ("name", "who"),
    [
        ("smallest", [{"podSelector": {}}]),
        (
            "production",
            [
                {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
                    "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}},
                }
            ],
        ),
    ],
)
@pytest.mark.parametrize("part", ["apiserver", "operator"])
def test_metrics_are_for_the_namespace_alone_unless_said(
    rendered: dict[str, list[Object]], name: str, who: list[Any], part: str
) -> None:
    spec = of_kind(rendered[name], "NetworkPolicy")[f"deplite-system/deplite-{part}"]["spec"]
    assert [rule["from"] for rule in spec["ingress"] if ports(rule) == {"metrics"}] == [who]
