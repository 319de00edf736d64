"""One line of the audit record, and whether a request deserves one. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from deplite_apiserver.audit.acts import Act
from deplite_apiserver.audit.entry import Entry

Outcome = Literal["done", "refused", "unknown"]
NOWHERE = "unknown"
"""Stands for the organization of an enrolment code that nobody minted; no organization is called so."""


@dataclass(frozen=True, kw_only=True)
class AuditRecord:
    """Who did what, when, from where, and what came of it."""

    time: datetime
    """When the request came."""
    organization: str
    action: str
    object_kind: str
    object_id: str | None
    who: dict[str, str]
    source: str
    """The client's IP address."""
    request_id: str
    outcome: Outcome
    status: int
    """The answer's; 0 where there was none."""
    code: str | None
    detail: dict[str, str]

    def wire(self) -> dict[str, Any]:
        """Return what is stored; absent members are left out."""
        found = {
            "time": self.time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "organization": self.organization,
            "action": self.action,
            "object": {"kind": self.object_kind, "id": self.object_id},
            "who": self.who,
            "source": self.source,
            "requestId": self.request_id,
            "outcome": self.outcome,
            "status": self.status,
            "code": self.code,
            "detail": self.detail or None,
        }
        return {name: value for name, value in found.items() if value is not None}


def action_of(act: Act, entry: Entry) -> str:
    """Return the word for what happened.

    Args:
        act: what the route does.
        entry: what was found out about the request.
    """
    return act.refused if entry.refusal_changed and act.refused is not None else act.action


def outcome_of(act: Act, entry: Entry, status: int) -> Outcome | None:
    """Return what a request came to, or None where it changed nothing and its refusal is of no interest.

    Args:
        act: what the route does.
        entry: what was found out about the request.
        status: the answer's; 0 where there was none.
    """
    if entry.who is None or not entry.changed:
        return None
    if 200 <= status < 300:
        return "unknown" if entry.unsure else "done"
    if entry.refusal_changed:
        return "refused" if 400 <= status < 500 else "unknown"
    if 400 <= status < 500:
        # Too many failures from one address are refused as a whole (429): a flood does not fill the record.
        return "refused" if act.refusals and status != 429 else None
    # Something may have been written before it went wrong. Agents repeat until they are heard: their 2xx counts.
    return "unknown" if entry.organization is not None and entry.who["kind"] in ("user", "token", "slack") else None
