"""What is known of a request for the audit record while it is served: filled in as callers and objects are found.

Who calls is noted by `auth.dependencies`; an endpoint says only what its path does not: `audited.made(id)`.
"""

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Request

from deplite.resources.identifiers import object_id
from deplite_apiserver.audit.acts import Act
from deplite_apiserver.auth.callers import AgentCaller, EnrollmentCaller, PodCaller, TokenCaller, UserCaller

_KEY = "audit"

AnyCaller = UserCaller | TokenCaller | AgentCaller | EnrollmentCaller | PodCaller


@dataclass(kw_only=True)
class Entry:
    """The record of one request, in the making; it never holds a secret."""

    who: dict[str, str] | None = None
    organization: str | None = None
    object_id: str | None = None
    changed: bool = True
    refusal_changed: bool = False
    """Whether the request is refused, and that changed something all the same."""
    code: str | None = None
    """The wire code of a refusal."""
    detail: dict[str, str] = field(default_factory=dict)
    act: Act | None = None
    """What the request turned out to be, where its route does not tell."""
    waited: bool = False
    """Whether the answer waited for a job: how long it took tells nothing of this replica (for the metrics)."""
    unsure: bool = False
    """Whether a change was begun, and it is not known yet what became of it."""

    def by(self, caller: AnyCaller) -> None:
        """Note who calls, and the organization where the caller belongs to one only."""
        self.who = _who(caller)
        match caller:
            case TokenCaller():
                self.organization = caller.organization
            case AgentCaller():
                self.organization, self.object_id = caller.agent.namespace, caller.id
            case EnrollmentCaller():
                self.organization = caller.enrollment.namespace
            case PodCaller():
                self.organization = caller.pool.namespace

    def within(self, organization: str) -> None:
        """Note the organization that a person's request is about, once the person was found to belong to it."""
        self.organization = organization

    def made(self, identifier: str, *, changed: bool = True) -> None:
        """Note the object; `changed` is false where a repeat met what was there already."""
        self.object_id, self.changed, self.unsure = identifier, changed, False

    def begin(self, act: Act) -> None:
        """Note the change that is about to be tried, of a request whose route does not tell."""
        self.act, self.changed, self.unsure = act, True, True

    def nothing(self) -> None:
        """Note that nothing was changed."""
        self.changed = self.unsure = False

    def refused(self, identifier: str) -> None:
        """Note the object that the refusal which follows has changed or deleted."""
        self.object_id, self.refusal_changed = identifier, True


def _who(caller: AnyCaller) -> dict[str, str]:
    match caller:
        case UserCaller():
            return {"kind": "user", "id": caller.id}
        case TokenCaller():
            return {"kind": "token", "id": caller.id, "prefix": caller.prefix}
        case AgentCaller():
            return {"kind": "agent", "id": caller.id}
        case EnrollmentCaller():
            code = caller.enrollment
            return {"kind": "code", "id": object_id("enr", *code.key), "prefix": code.status.prefix or ""}
        case PodCaller():
            return {"kind": "pod", "pool": caller.pool.name, "pod": caller.pod.name, "node": caller.pod.node}


def entry_in(scope: MutableMapping[str, Any]) -> Entry:
    """Return the entry of a request, made at the first question."""
    state: dict[str, Any] = scope.setdefault("state", {})
    entry: Entry = state.setdefault(_KEY, Entry())
    return entry


async def entry_of(request: Request) -> Entry:
    """Return the entry of a request; a plain function would run in a thread."""
    return entry_in(request.scope)


Audited = Annotated[Entry, Depends(entry_of)]
