"""What a caller may ask of a run: the body of `POST /triggers/:id/run` and `/run-manual`."""

from typing import Annotated, Any, Self

from pydantic import Field, StrictBool, StrictStr, WithJsonSchema

from deplite.resources.deployjob import DeployJobSpec
from deplite_apiserver.edge.body import Closed

_PARAMS = {
    "type": "object",
    "maxProperties": 100,
    "propertyNames": {"minLength": 1, "maxLength": 64},
    "additionalProperties": {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]},
    "description": "4096 bytes each and 8192 together, checked against the workflow's reported parameters.",
}
"""What the reference says; the rules themselves need the trigger."""


class NothingAsked(Closed):
    """The body of routes that take none: empty, or `{}`."""


class RunRequest(Closed):
    """The body; every field is optional. Refs and params are checked when the trigger is known."""

    workflow_name: StrictStr | None = Field(default=None, min_length=1, max_length=128)
    ref: StrictStr | None = None
    debug: StrictBool = False
    params: Annotated[Any, WithJsonSchema(_PARAMS)] = Field(default_factory=dict)

    @classmethod
    def again(cls, spec: DeployJobSpec) -> Self:
        """Return the request that asks for the same run once more."""
        said = {"workflowName": spec.workflow, "debug": spec.debug, "params": dict(spec.params)}
        return cls.model_validate(said if spec.ref is None else said | {"ref": spec.ref})

    def body(self) -> dict[str, Any]:
        """Return what was sent, for the fingerprint."""
        return self.model_dump(by_alias=True, exclude_unset=True)
