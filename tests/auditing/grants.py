"""What `deplite/rights` grants, verb by verb, and what a part may do besides as everybody may."""

from collections.abc import Iterator
from typing import NamedTuple

from deplite.rights import PARTS, roles_of
from tests.auditing.deeds import ORGANIZATION, SYSTEM, Deed

EVERYWHERE = "everywhere"
_SHOWN_TO_EVERYBODY = ("/.well-known/openid-configuration", "/openid/v1/jwks", "/version", "/api", "/apis")
"""What Kubernetes shows each ServiceAccount: its keys, its version and what it serves."""
_ASKED_BY_EVERYBODY = ("create", "authorization.k8s.io", "selfsubjectaccessreviews")
"""Whether one may do something oneself."""


class Grant(NamedTuple):
    """One verb on one resource, everywhere, at home or in each organization that has its RoleBinding."""

    part: str
    verb: str
    group: str
    resource: str
    place: str
    name: str = ""
    """The one object that it is for; empty for all."""

    def covers(self, deed: Deed) -> bool:
        """Tell whether a deed uses it."""
        if (self.part, self.verb, self.group, self.resource) != deed[:4]:
            return False
        return self.place in (EVERYWHERE, deed.place) and self.name in ("", deed.name)

    def __str__(self) -> str:
        return str(Deed(*self))


def all_grants() -> list[Grant]:
    """Return every grant to a part."""
    return [grant for part in PARTS for grant in _of(part)]


def for_everybody(deed: Deed) -> bool:
    """Tell whether it is what any ServiceAccount may do."""
    if deed[1:4] == _ASKED_BY_EVERYBODY:
        return True
    return deed.verb == "get" and f"{deed.resource}/".startswith(tuple(f"{path}/" for path in _SHOWN_TO_EVERYBODY))


def _of(part: str) -> Iterator[Grant]:
    bound = ("secrets", "pools") if part == "operator" else ("secrets",)
    for file in (part, *bound):
        for role in roles_of(file):
            place = ORGANIZATION if file in bound else SYSTEM if role["kind"] == "Role" else EVERYWHERE
            for rule in role["rules"]:
                for group in rule["apiGroups"]:
                    for resource in rule["resources"]:
                        for verb in rule["verbs"]:
                            for name in rule.get("resourceNames", [""]):
                                yield Grant(part, verb, group, resource, place, name)
