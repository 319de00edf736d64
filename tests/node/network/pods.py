"""What a NetworkPolicy can say of pods and namespaces: which it means, where they are, what their ports are called."""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]
ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True, kw_only=True)
class Pod:
    """A pod with an address of its own."""

    namespace: str
    labels: Mapping[str, str]
    addresses: Sequence[str]
    """IPv4 alone."""
    ports: Mapping[tuple[str, str], int]
    """The numbers of its named ports, by name and protocol."""


def pods_of(objects: Iterable[Object]) -> list[Pod]:
    """Return those that policies are about: not those that have ended, nor those that use their node's network."""
    found = [
        _pod(one)
        for one in objects
        if not one["spec"].get("hostNetwork") and one.get("status", {}).get("phase") not in ENDED
    ]
    return [pod for pod in found if pod.addresses]


def _pod(found: Object) -> Pod:
    spec, metadata = found["spec"], found["metadata"]
    # A sidecar is an init container that goes on.
    containers = [*spec.get("initContainers", []), *spec["containers"]]
    return Pod(
        namespace=metadata["namespace"],
        labels=metadata.get("labels", {}),
        addresses=[
            one["ip"]
            for one in found.get("status", {}).get("podIPs", [])
            if ipaddress.ip_address(one["ip"]).version == 4
        ],
        ports={
            (port["name"], port.get("protocol", "TCP")): port["containerPort"]
            for container in containers
            for port in container.get("ports", [])
            if "name" in port
        },
    )


def selects(selector: Object, labels: Mapping[str, str]) -> bool:
    """Whether a label selector means what has these labels; an empty one means all.

    Raises:
        ValueError: it has an operator that we do not know.
    """
    if not selector.get("matchLabels", {}).items() <= labels.items():
        return False
    return all(_holds(one, labels) for one in selector.get("matchExpressions", []))


def _holds(expression: Object, labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values", [])
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case other:
            raise ValueError(f"A label selector has the operator {other!r}.")
