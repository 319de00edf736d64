"""What one line of the audit log says: a part did something somewhere, or was refused."""

import json
from typing import Any, NamedTuple

from deplite.local.accounts import SYSTEM_NAMESPACE
from deplite.rights import PARTS, account_name

CLUSTER, SYSTEM, ORGANIZATION, ELSEWHERE = "cluster", "system", "organization", "elsewhere"
"""Where: in all namespaces at once, in the parts' own, in an organization's, in another one."""
BORROWED = "deplite"
"""What a client of ours calls itself that is no part: tests which hold a part's token to see what it may do."""
_PARTS = {f"system:serviceaccount:{SYSTEM_NAMESPACE}:{account_name(part)}": part for part in PARTS}


class Deed(NamedTuple):
    """A verb on a resource, `name/subresource`, or on a path that is no resource."""

    part: str
    verb: str
    group: str
    resource: str
    place: str
    name: str = ""
    """Of a Secret at home, where names count."""

    def __str__(self) -> str:
        target = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.part}: {self.verb} {target} ({' '.join(filter(None, [self.place, self.name]))})"


class Entry(NamedTuple):
    """A deed, when it was done and whether it was refused."""

    deed: Deed
    time: str
    """RFC 3339, with microseconds, UTC: these sort as they are."""
    refused: bool


def read(line: bytes) -> Entry | None:
    """Return what a part did; None for what a test did with a part's token.

    Raises:
        ValueError: the line is no whole event: its server was killed while it wrote.
    """
    event: dict[str, Any] = json.loads(line)
    if event.get("userAgent") == BORROWED:
        return None
    # Who was stopped by something else than rights (a namespace that is being deleted, say) was allowed to.
    refused = event.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid"
    return Entry(_deed(event), event["requestReceivedTimestamp"], refused)


def _deed(event: dict[str, Any]) -> Deed:
    part = _PARTS[event["user"]["username"]]
    target = event.get("objectRef")
    if target is None or "resource" not in target:
        return Deed(part, event["verb"], "", event["requestURI"].partition("?")[0], CLUSTER)
    resource = "/".join(filter(None, [target["resource"], target.get("subresource")]))
    place = _place(target.get("namespace", ""))
    by_name = (place, resource) == (SYSTEM, "secrets") and event["verb"] != "create"
    return Deed(
        part, event["verb"], target.get("apiGroup", ""), resource, place, target.get("name", "") if by_name else ""
    )


def _place(namespace: str) -> str:
    if namespace.startswith("org-"):
        return ORGANIZATION
    return {"": CLUSTER, SYSTEM_NAMESPACE: SYSTEM}.get(namespace, ELSEWHERE)
