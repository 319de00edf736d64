"""Bounds and shapes that several kinds share; the CRDs spell the same ones."""

import json
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from deplite.protocol.params import ParamValue
from deplite.resources.resource import Record

NAME_PATTERN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
WORKFLOW_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
GROUP_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""No slash: the group of a trigger alone (`trigger/<name>`) is none that anybody can name."""
JOB_GROUP_PATTERN = r"^(trigger/)?[A-Za-z0-9][A-Za-z0-9._-]*$"
CIDR_PATTERN = r"^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$"
MAX_RATE = 1_000_000

ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=NAME_PATTERN)]
"""The name of an object in the same namespace."""

WorkflowName = Annotated[str, Field(min_length=1, max_length=128, pattern=WORKFLOW_PATTERN)]
DisplayName = Annotated[str, Field(min_length=1, max_length=128)]
GroupName = Annotated[str, Field(min_length=1, max_length=64, pattern=GROUP_PATTERN)]
Rate = Annotated[int, Field(ge=1, le=MAX_RATE)]
Cidr = Annotated[str, Field(min_length=2, max_length=43, pattern=CIDR_PATTERN)]


def _scalars(value: Any) -> Any:
    """Turn what is not a scalar into its JSON text: a schema cannot refuse it, and reading an object must not fail."""
    if not isinstance(value, dict):
        return value
    return {
        key: item if isinstance(item, str | int | float | bool) else json.dumps(item) for key, item in value.items()
    }


Params = Annotated[dict[str, ParamValue], Field(max_length=100), BeforeValidator(_scalars)]
"""At most 100 scalars; 4 KiB each and 8 KiB together are checked where they are accepted and again before sending."""


class RateLimit(Record):
    """Runs allowed in each fixed UTC window; an absent one is not limited."""

    per_minute: Rate | None = None
    per_hour: Rate | None = None
    per_day: Rate | None = None
