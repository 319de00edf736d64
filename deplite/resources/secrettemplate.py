"""What a Secret that something is minted into has beside its content."""

from typing import Annotated

from pydantic import Field

from deplite.resources.resource import Record

LabelValue = Annotated[str, Field(max_length=63)]
AnnotationValue = Annotated[str, Field(max_length=4096)]


class SecretTemplate(Record):
    """Labels and annotations; whether Kubernetes takes them it says when the Secret is written."""

    labels: dict[str, LabelValue] = Field(default_factory=dict, max_length=32)
    annotations: dict[str, AnnotationValue] = Field(default_factory=dict, max_length=32)
