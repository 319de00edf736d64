"""What a policy says of an object, and the smallest status patch that makes it so."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from deplite.resources.resource import Resource, Status
from deplite_operator.conditions import Finding, conditions_after


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the status should say."""

    findings: tuple[Finding, ...]
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Status fields beside the conditions, by their wire names, as JSON types; None removes one."""
    unsettled: bool = False
    """Whether to look again soon: something is under way that no watch tells of."""


def status_patch(resource: Resource, verdict: Verdict, now: datetime) -> dict[str, Any]:
    """Return the content of a merge patch of the status; empty where the status says all of it already."""
    status: Status = resource.status  # type: ignore[attr-defined]  # every kind has one
    generation = resource.metadata.generation
    wanted: dict[str, Any] = {
        "observedGeneration": generation,
        "conditions": [
            condition.wire() for condition in conditions_after(status.conditions, verdict.findings, generation, now)
        ],
        **verdict.fields,
    }
    present = status.wire()
    return {name: value for name, value in wanted.items() if present.get(name) != value}
