"""What a caller may ask of a run: the body of `POST /triggers/:id/run` and `/run-manual`."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr
from pydantic.alias_generators import to_camel


class RunRequest(BaseModel):
    """The body; every field is optional. Refs and params are checked when the trigger is known."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, validate_by_name=True)

    workflow_name: StrictStr | None = Field(default=None, min_length=1, max_length=128)
    ref: StrictStr | None = None
    debug: StrictBool = False
    params: Any = Field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """Return what was sent, for the fingerprint."""
        return self.model_dump(by_alias=True, exclude_unset=True)
