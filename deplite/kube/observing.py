"""What may be told of a request to the Kubernetes API: verb and resource, and never a name."""

from collections.abc import Mapping
from typing import Any, Protocol

from deplite.resources import KINDS

_BUILT_IN = (
    *("secrets", "configmaps", "leases", "events", "pods", "daemonsets", "serviceaccounts"),
    *("tokenreviews", "selfsubjectaccessreviews"),
)
_KNOWN = frozenset({kind.PLURAL for kind in KINDS} | set(_BUILT_IN))
_SUBRESOURCES = frozenset({"status"})
OTHER = "other"
"""The resource of discovery, and of all that nobody foresaw."""
NO_ANSWER = "none"
"""The code where there was no answer."""
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class Observer(Protocol):
    """Who counts requests."""

    def answered(self, verb: str, resource: str, code: str, seconds: float) -> None:
        """Note one.

        Args:
            verb: as Kubernetes names it, `watch` and `list` too.
            resource: the plural, perhaps with a subresource; `other` for what is none of ours.
            code: the HTTP status, or `none`.
            seconds: until the answer began, or was given up.
        """


def asked(method: str, path: str, query: Mapping[str, Any]) -> tuple[str, str]:
    """Return verb and resource of a request. Pure."""
    parts = path.strip("/").split("/")
    rest = parts[3:] if parts[0] == "apis" else parts[2:]  # behind group and version
    if len(rest) > 2 and rest[0] == "namespaces":
        rest = rest[2:]
    resource = rest[0] if rest and rest[0] in _KNOWN else OTHER
    if resource != OTHER and len(rest) > 2 and rest[2] in _SUBRESOURCES:
        resource = f"{resource}/{rest[2]}"
    if method != "GET":
        return _VERBS.get(method, OTHER), resource
    if query.get("watch") in ("1", "true"):
        return "watch", resource
    return ("get" if len(rest) > 1 else "list"), resource
