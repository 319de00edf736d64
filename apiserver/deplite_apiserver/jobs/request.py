"""What a caller may ask of a run: the body of `POST /triggers/:id/run` and `/run-manual`."""

from typing import Any

from pydantic import Field, StrictBool, StrictStr

from deplite_apiserver.edge.body import Closed


class RunRequest(Closed):
    """The body; every field is optional. Refs and params are checked when the trigger is known."""

    workflow_name: StrictStr | None = Field(default=None, min_length=1, max_length=128)
    ref: StrictStr | None = None
    debug: StrictBool = False
    params: Any = Field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """Return what was sent, for the fingerprint."""
        return self.model_dump(by_alias=True, exclude_unset=True)
