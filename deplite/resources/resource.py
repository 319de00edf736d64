"""What every kind of ours has: metadata, conditions, and the coordinates under which the API server serves it."""

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

GROUP = "deplite.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
CREATED_BY_LABEL = "deplite.io/created-by"
"""`api` on an object that REST created; without it the object is managed in Git or by kubectl."""


def utc(moment: datetime) -> str:
    """Return a moment as the API server and REST spell it: RFC 3339, UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _aware(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


def _in_utc(value: datetime) -> datetime:
    """Return the moment in UTC; the last hours of the year 9999 in the west have none, and become its very end."""
    try:
        return value.astimezone(UTC)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


_LAST = datetime.max.replace(tzinfo=UTC)

Time = Annotated[datetime, BeforeValidator(_aware), AfterValidator(_in_utc), PlainSerializer(utc, when_used="json")]
"""A moment in UTC, written in whole seconds."""


class Record(BaseModel):
    """A frozen record with camelCase names on the wire; fields a newer schema added are ignored."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )

    def wire(self) -> dict[str, Any]:
        """Return the record as JSON types under its wire names, without absent fields."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


_SETTABLE = frozenset({"name", "generateName", "namespace", "labels", "annotations", "ownerReferences"})


class OwnerReference(Record):
    """By whom an object is owned, so that the garbage collector takes it away once that one is gone."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None


class Meta(Record):
    """The part of `metadata` that we use."""

    name: str = ""
    generate_name: str | None = None
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    owner_references: tuple[OwnerReference, ...] = ()


class Condition(Record):
    """A condition after the Kubernetes API conventions; the list is a map keyed by `type`."""

    type: str = Field(max_length=316)
    status: Literal["True", "False", "Unknown"]
    reason: str = Field(max_length=1024)
    message: str = Field(default="", max_length=4096)
    last_transition_time: Time
    observed_generation: int | None = None


class Spec(Record):
    """Base of every spec: what somebody asked for."""


class Status(Record):
    """Base of every status: what is true."""

    observed_generation: int | None = None
    conditions: tuple[Condition, ...] = Field(default=(), max_length=16)

    def condition(self, type_: str) -> Condition | None:
        """Return the condition of that type, if there is one."""
        return next((condition for condition in self.conditions if condition.type == type_), None)


class Resource(Record):
    """Base of every kind; the class attributes say where the API server serves it."""

    KIND: ClassVar[str]
    PLURAL: ClassVar[str]

    metadata: Meta = Field(default_factory=Meta)

    @property
    def name(self) -> str:
        """The object's name."""
        return self.metadata.name

    @property
    def namespace(self) -> str:
        """The object's namespace, which is its organization's id."""
        return self.metadata.namespace

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.metadata.namespace, self.metadata.name

    @property
    def age(self) -> tuple[datetime, str]:
        """What sorts the oldest first: where only one object may be meant, that one is."""
        return self.metadata.creation_timestamp or _LAST, self.metadata.uid

    @property
    def managed_by_api(self) -> bool:
        """Whether REST created the object (otherwise Git or kubectl owns it)."""
        return self.metadata.labels.get(CREATED_BY_LABEL) == "api"

    @property
    def owning(self) -> OwnerReference:
        """What an object of the same namespace says that is made for this one.

        No `blockOwnerDeletion`: that would ask for rights on the owner's finalizers.
        """
        uid = self.metadata.uid
        return OwnerReference(api_version=API_VERSION, kind=self.KIND, name=self.name, uid=uid, controller=True)

    def controls(self, metadata: Meta) -> bool:
        """Whether an object was made for this very one."""
        return any(owner.controller and owner.uid == self.metadata.uid for owner in metadata.owner_references)

    def manifest(self) -> dict[str, Any]:
        """Return the object as the API server takes it on create: without status."""
        body = self.wire()
        body.pop("status", None)
        metadata = {key: value for key, value in body.pop("metadata").items() if key in _SETTABLE and value}
        return {"apiVersion": API_VERSION, "kind": self.KIND, "metadata": metadata, **body}
