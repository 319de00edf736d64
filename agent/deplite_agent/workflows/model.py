"""What a workflow file says, typed. Described for people in docs/workflow-file.md."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr, field_validator, model_validator

from deplite.protocol.params import is_pattern
from deplite_agent.artifacts.patterns import MAX_PATTERN, check_pattern

MAX_STEPS = 200
MAX_SCRIPT = 64 * 1024
DEFAULT_TIMEOUT_MINUTES = 60.0
DEFAULT_KEEP_DAYS = 30
MAX_KEEP_DAYS = 365

Text = Annotated[StrictStr, Field(max_length=1024)]
Name = Annotated[StrictStr, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]
Minutes = Annotated[float, Field(gt=0, le=7 * 24 * 60, strict=False)]
Seconds = Annotated[float, Field(ge=0, le=24 * 60 * 60)]
VariableName = Annotated[StrictStr, Field(max_length=128, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Scalar = StrictBool | int | float | StrictStr

_RESERVED = ("DEPLITE_", "PARAM_", "LD_", "DYLD_")
_RESERVED_NAMES = frozenset({"PATH", "IFS", "BASH_ENV", "ENV", "SHELLOPTS"})


def kebab(name: str) -> str:
    """Return the spelling of a field in a workflow file."""
    return name.replace("_", "-")


class Part(BaseModel):
    """Base: frozen, kebab-case in the file, unknown keys refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=kebab, validate_by_name=True, allow_inf_nan=False
    )


class Retry(Part):
    """How often something is tried."""

    max_attempts: int = Field(ge=1, le=100)
    """The first try counts."""
    backoff: Literal["fixed", "linear", "exponential"] = "fixed"
    initial_delay_seconds: Seconds = 1.0
    max_delay_seconds: Seconds = 300.0

    def delay(self, attempt: int) -> float:
        """Return the seconds to wait after the failed try of that number, counted from 1."""
        factor: float = {"fixed": 1, "linear": attempt, "exponential": 2 ** min(attempt - 1, 32)}[self.backoff]
        return min(self.initial_delay_seconds * factor, self.max_delay_seconds)


class Secret(Part):
    """A secret by name: looked up on this machine when the job starts."""

    name: VariableName
    required: StrictBool = False
    description: Text | None = None

    @field_validator("name")
    @classmethod
    def _not_reserved(cls, name: str) -> str:
        return check_variable(name)


class Param(Part):
    """A parameter of a run."""

    name: Annotated[StrictStr, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f-\x9f=]*$")]
    type: Literal["string", "number", "boolean", "enum"] = "string"
    required: StrictBool = False
    description: Text | None = None
    default: Scalar | None = None
    pattern: Annotated[StrictStr, Field(max_length=512)] | None = None
    options: tuple[Scalar, ...] | None = Field(default=None, min_length=1, max_length=200)
    min: float | None = None
    max: float | None = None

    @field_validator("pattern")
    @classmethod
    def _can_be_checked(cls, pattern: str | None) -> str | None:
        if pattern is not None and not is_pattern(pattern):
            raise ValueError("this is no regular expression, or one with look-around, which takes too long to check")
        return pattern

    @model_validator(mode="after")
    def _enum_has_options(self) -> Self:
        if self.type == "enum" and not self.options:
            raise ValueError("an enum needs `options`")
        return self


class Output(Part):
    """An output that the steps write to `$DEPLITE_OUTPUT`."""

    name: Name
    type: Literal["string", "number", "boolean"] = "string"
    description: Text | None = None


class Artifacts(Part):
    """Files that are uploaded after the last step."""

    paths: tuple[
        Annotated[StrictStr, Field(min_length=1, max_length=MAX_PATTERN, pattern=r"^[^\x00-\x1f\x7f]*$")], ...
    ] = Field(min_length=1, max_length=50)
    """Patterns, relative to the workflow's working directory."""
    keep_days: int = Field(DEFAULT_KEEP_DAYS, ge=1, le=MAX_KEEP_DAYS, strict=True)

    @field_validator("paths")
    @classmethod
    def _stay_inside(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(check_pattern, paths))


class Step(Part):
    """One command."""

    name: Name
    run: Annotated[StrictStr, Field(min_length=1, max_length=MAX_SCRIPT, pattern=r"^[^\x00]*$")]
    id: Name | None = None
    shell: Literal["sh", "bash"] = "sh"
    env: Mapping[VariableName, Scalar] = Field(default_factory=dict, max_length=100)
    working_directory: Text | None = None
    timeout_minutes: Minutes | None = None
    verbose: StrictBool = False
    continue_on_error: StrictBool = False
    retry: Retry | None = None

    @field_validator("env")
    @classmethod
    def _not_reserved(cls, env: Mapping[str, Any]) -> Mapping[str, Any]:
        for name in env:
            check_variable(name)
        return env


class Workflow(Part):
    """One workflow file."""

    name: Annotated[StrictStr, Field(max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    description: Text | None = None
    version: Annotated[StrictStr, Field(max_length=128)] | int | float | None = None
    schema_version: Annotated[StrictStr, Field(max_length=32)] | int | float | None = None
    allowed_refs: tuple[Annotated[StrictStr, Field(min_length=1, max_length=255)], ...] = Field((), max_length=100)
    """Refused here, whatever the server says; empty: any ref."""
    params: tuple[Param, ...] | None = Field(default=None, max_length=100)
    secrets: tuple[Secret, ...] = Field((), max_length=200)
    outputs: tuple[Output, ...] = Field((), max_length=100)
    env: Mapping[VariableName, Scalar] = Field(default_factory=dict, max_length=100)
    working_directory: Text | None = None
    timeout_minutes: Minutes = DEFAULT_TIMEOUT_MINUTES
    verbose_steps: StrictBool = False
    retry: Retry | None = None
    """Of the whole workflow: all its steps again."""
    artifacts: Artifacts | None = None
    steps: tuple[Step, ...] = Field(min_length=1, max_length=MAX_STEPS)

    @field_validator("artifacts", mode="before")
    @classmethod
    def _list_of_patterns(cls, artifacts: Any) -> Any:
        """Take the short form: a list is the patterns."""
        return {"paths": artifacts} if isinstance(artifacts, list) else artifacts

    @field_validator("env")
    @classmethod
    def _not_reserved(cls, env: Mapping[str, Any]) -> Mapping[str, Any]:
        for name in env:
            check_variable(name)
        return env

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        _unique("secrets", (secret.name for secret in self.secrets))
        _unique("params", (variable_of(param.name) for param in self.params or ()))
        _unique("outputs", (output.name for output in self.outputs))
        _unique("step ids", (step.id for step in self.steps if step.id is not None))
        return self

    def shows_raw(self, step: Step, *, debug: bool) -> bool:
        """Return whether the raw output of a step leaves this machine: with `debug` all, else of verbose steps."""
        return debug or step.verbose or self.verbose_steps or len(self.steps) == 1


def variable_of(param: str) -> str:
    """Return the variable of a param whose name is an identifier; others are in the file of all params only."""
    return f"PARAM_{param.upper()}"


def check_variable(name: str) -> str:
    """Return the name if a workflow may set a variable of that name.

    Raises:
        ValueError: it would change what runs, or hide what Deplite says.
    """
    if name in _RESERVED_NAMES or name.startswith(_RESERVED):
        raise ValueError(f"`{name}` is reserved: choose another name")
    return name


def _unique(what: str, names: Iterable[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"{what}: `{twice[0]}` is there twice")
