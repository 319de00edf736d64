"""Sets conditions after the Kubernetes API conventions: the transition time changes only with the status."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from deplite.resources.reasons import READY, SECRETS_READY, STALLED
from deplite.resources.resource import Condition

MESSAGE_LIMIT = 4096
_NAMED = 3
_QUOTED = 500
"""Characters of what Kubernetes says."""
OWNED = (READY, SECRETS_READY, STALLED)
"""The conditions that are the operator's; all others in the list are somebody else's and stay."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One condition as a policy sees it, before it is known since when."""

    type: str
    status: Literal["True", "False"]
    reason: str
    message: str
    stalled: bool = False
    """Whether it stays so until a person changes something; shown as a condition of its own."""


def ready(reason: str, message: str) -> Finding:
    """Return Ready=True."""
    return Finding(type=READY, status="True", reason=reason, message=message)


def not_ready(reason: str, message: str) -> Finding:
    """Return Ready=False."""
    return Finding(type=READY, status="False", reason=reason, message=message)


def stalled(reason: str, message: str) -> Finding:
    """Return Ready=False that waiting does not end."""
    return Finding(type=READY, status="False", reason=reason, message=message, stalled=True)


def conditions_after(
    present: Iterable[Condition], findings: Iterable[Finding], generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Return the conditions with ours set anew, and those of ours that no longer apply left out."""
    before = {condition.type: condition for condition in present}
    foreign = [condition for condition in before.values() if condition.type not in OWNED]
    found = list(findings)
    found += [replace(finding, type=STALLED, status="True") for finding in found if finding.stalled]
    return (*foreign, *(_condition(before.get(finding.type), finding, generation, now) for finding in found))


def quoted(text: str) -> str:
    """Return what Kubernetes says as the end of a message: one line, not too long."""
    line = " ".join(text.split())
    line = line[:_QUOTED] + ("…" if len(line) > _QUOTED else "")
    return line if line.endswith((".", "…")) else f"{line}."


def few(names: Sequence[str]) -> str:
    """Return the first names of many for a message, and how many more there are."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _condition(before: Condition | None, finding: Finding, generation: int, now: datetime) -> Condition:
    since = before.last_transition_time if before is not None and before.status == finding.status else now
    return Condition(
        type=finding.type,
        status=finding.status,
        reason=finding.reason,
        message=finding.message[:MESSAGE_LIMIT],
        last_transition_time=since,
        observed_generation=generation,
    )
