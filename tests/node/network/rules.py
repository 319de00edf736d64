"""NetworkPolicies as rules of iptables: a pure translation.

Two flat chains, each of which a packet leaves (RETURN) where it may go on: what its sender may send, then what its
receiver may get. Services are rewritten before (kube-proxy works in `nat`), so the rules see pods and their own ports.
Answers belong to a connection that was let in. What is refused is called prohibited (EHOSTUNREACH), which a caller can
tell from a port that nobody listens at.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tests.node.network.pods import Object, Pod, pods_of, selects


@dataclass(frozen=True, kw_only=True)
class _Way:
    """One direction of policies."""

    name: str
    chain: str
    own: str
    """The option of iptables for the pod that a policy is about."""
    other: str
    """That for the other end."""
    peers: str
    """Where a rule names the other ends."""


EGRESS = _Way(name="Egress", chain="DEPLITE-EGRESS", own="-s", other="-d", peers="to")
INGRESS = _Way(name="Ingress", chain="DEPLITE-INGRESS", own="-d", other="-s", peers="from")
HOOKS = (("INPUT", EGRESS.chain), ("FORWARD", EGRESS.chain), ("FORWARD", INGRESS.chain))
"""Where packets come by. What a node sends to its own pods is subject to no policy, so OUTPUT is none of them."""


@dataclass(frozen=True, kw_only=True)
class _End:
    """The other end of a connection."""

    networks: Sequence[str] | None = None
    """None: everywhere."""
    pod: Pod | None = None
    """Who is there, if a pod is meant."""


class _World:
    """The pods, and what their namespaces are called."""

    def __init__(self, pods: Iterable[Object], namespaces: Iterable[Object]) -> None:
        self.pods = pods_of(pods)
        self._labels = {one["metadata"]["name"]: one["metadata"].get("labels", {}) for one in namespaces}

    def ends(self, peers: Sequence[Object], namespace: str) -> Iterator[_End]:
        """Yield who is meant by the peers of a policy in a namespace; none means everybody."""
        if not peers:
            yield _End()
        for peer in peers:
            if "ipBlock" in peer:
                yield _End(networks=_networks(peer["ipBlock"]))
                continue
            for pod in self.pods:
                if self._is_in(pod, peer.get("namespaceSelector"), namespace) and selects(
                    peer.get("podSelector") or {}, pod.labels
                ):
                    yield _End(networks=pod.addresses, pod=pod)

    def _is_in(self, pod: Pod, selector: Object | None, namespace: str) -> bool:
        if selector is None:
            return pod.namespace == namespace
        return selects(selector, self._labels.get(pod.namespace, {}))


def ruleset(policies: Iterable[Object], pods: Iterable[Object], namespaces: Iterable[Object]) -> str:
    """Return what `iptables-restore --noflush` reads: both chains whole, so that they change at once."""
    world, known = _World(pods, namespaces), list(policies)
    lines = [line for way in (EGRESS, INGRESS) for line in _chain(way, world, known)]
    return "\n".join(["*filter", *lines, "COMMIT", ""])


def _chain(way: _Way, world: _World, policies: Sequence[Object]) -> Iterator[str]:
    yield f":{way.chain} - [0:0]"
    yield f"-A {way.chain} -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN"
    for pod in world.pods:
        if not (concerned := [one for one in policies if _concerns(one, pod, way)]):
            continue
        allowed = {match: None for policy in concerned for match in _matches(way, world, pod, policy)}
        for address in pod.addresses:
            for match in allowed:
                yield f"-A {way.chain} {way.own} {address}{match} -j RETURN"
            yield f"-A {way.chain} {way.own} {address} -j REJECT --reject-with icmp-admin-prohibited"


def _concerns(policy: Object, pod: Pod, way: _Way) -> bool:
    spec = policy["spec"]
    ways = spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    here = policy["metadata"]["namespace"] == pod.namespace
    return here and way.name in ways and selects(spec.get("podSelector") or {}, pod.labels)


def _matches(way: _Way, world: _World, pod: Pod, policy: Object) -> Iterator[str]:
    """Yield what a policy allows a pod: the other end, and the port."""
    for rule in policy["spec"].get(way.name.lower()) or ():
        ports = rule.get("ports") or []
        ends = list(world.ends(rule.get(way.peers) or [], policy["metadata"]["namespace"]))
        named = any(isinstance(port.get("port"), str) for port in ports)
        if named and way is EGRESS and ends == [_End()]:  # that of whatever pod has one of that name
            ends += [_End(networks=one.addresses, pod=one) for one in world.pods]
        for end in ends:
            places = [""] if end.networks is None else [f" {way.other} {network}" for network in end.networks]
            for port in _ports(ports, end.pod if way is EGRESS else pod):
                yield from (f"{place}{port}" for place in places)


def _ports(ports: Sequence[Object], target: Pod | None) -> Iterator[str]:
    """Yield the ports of a rule; a name means nothing where no pod is meant, or where it has no such port."""
    if not ports:
        yield ""
    for entry in ports:
        protocol, number = entry.get("protocol", "TCP"), entry.get("port")
        if isinstance(number, str):
            number = target.ports.get((number, protocol)) if target else None
            if number is None:
                continue
        wanted = "" if number is None else f" --dport {number}"
        yield f" -p {protocol.lower()}{wanted}" + (f":{entry['endPort']}" if "endPort" in entry else "")


def _networks(block: Object) -> list[str]:
    """Return the networks that are left of a block without its exceptions; none of an IPv6 one."""
    whole = ipaddress.ip_network(block["cidr"])
    left = [whole] if isinstance(whole, ipaddress.IPv4Network) else []
    for hole in map(ipaddress.IPv4Network, block.get("except", []) if left else []):
        left = [part for network in left for part in _without(network, hole)]
    return [str(network) for network in left]


def _without(network: ipaddress.IPv4Network, hole: ipaddress.IPv4Network) -> Iterable[ipaddress.IPv4Network]:
    if not network.overlaps(hole):
        return [network]
    return network.address_exclude(hole) if hole.prefixlen > network.prefixlen else []
