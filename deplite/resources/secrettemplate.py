"""What a Secret that something is minted into has beside its content."""

from typing import Annotated

from pydantic import Field

from deplite.resources.resource import Record

LabelValue = Annotated[str, Field(max_length=63, pattern=r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")]
AnnotationValue = Annotated[str, Field(max_length=4096)]


class SecretTemplate(Record):
    """Labels and annotations; the CRD refuses keys that Kubernetes would, and those by which a GitOps tool prunes."""

    labels: dict[str, LabelValue] = Field(default_factory=dict, max_length=32)
    annotations: dict[str, AnnotationValue] = Field(default_factory=dict, max_length=32)
