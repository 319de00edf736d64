"""Rules across the fields of a trigger."""

from typing import Any

import pytest

from deplite.resources.trigger import TriggerSpec
from deplite_apiserver.triggers.schemas import spec_problem

CRON = {"cron": "0 4 * * *"}


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"workflow": "w"}, None),
        ({}, "workflowName"),
        ({"scope": "agent"}, None),
        ({"scope": "agent", "workflow": "w"}, "workflowName"),
        ({"type": "schedule", "schedule": CRON, "workflow": "w"}, None),
        ({"type": "schedule", "schedule": {"cron": "0 4 * *"}, "workflow": "w"}, "schedule.cron"),
        ({"type": "schedule", "schedule": CRON | {"timeZone": "Mars"}, "workflow": "w"}, "schedule.timeZone"),
        ({"type": "schedule", "workflow": "w"}, "schedule"),
        ({"type": "webhook", "schedule": CRON, "workflow": "w"}, "schedule"),
        ({"type": "schedule", "schedule": CRON, "scope": "agent"}, "workflowName"),
    ],
)
def test_fields_go_together(fields: dict[str, Any], problem: str | None) -> None:
    found = spec_problem(TriggerSpec.model_validate({"agent": "a"} | fields))
    assert (found.partition(":")[0] if found else None) == problem
