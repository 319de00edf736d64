"""Labels and annotations that a token or a code wants on its Secret, and taking back those that it no longer wants."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from deplite.resources.secrettemplate import SecretTemplate

TEMPLATE_ANNOTATION = "deplite.io/secret-template"
"""On a minted Secret: which of its keys came from `spec.secretTemplate`, as `label:team,annotation:reflect`."""

_LABEL, _ANNOTATION = "label:", "annotation:"
_OURS = "deplite.io/"


@dataclass(frozen=True, kw_only=True)
class Marks:
    """The labels and annotations of a Secret."""

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


def marked(found: Marks, template: SecretTemplate, owner: Mapping[str, str]) -> Marks:
    """Return what a Secret should have: what the template says, the rest as it is, and nothing of an earlier template.

    Args:
        found: what it has.
        template: what its token or code wants.
        owner: the labels that say whom it is for; they go before the template's.
    """
    noted = found.annotations.get(TEMPLATE_ANNOTATION, "").split(",")
    labels = _without(found.labels, _keys(noted, _LABEL)) | template.labels | dict(owner)
    annotations = _without(found.annotations, {TEMPLATE_ANNOTATION} | _keys(noted, _ANNOTATION)) | template.annotations
    if said := [_LABEL + key for key in template.labels] + [_ANNOTATION + key for key in template.annotations]:
        annotations[TEMPLATE_ANNOTATION] = ",".join(sorted(said))
    return Marks(labels=labels, annotations=annotations)


def changed(found: Marks, wanted: Marks) -> list[str]:
    """Return the keys of labels and annotations that differ, but not those of ours."""
    differ = set(found.labels.items()) ^ set(wanted.labels.items())
    differ |= set(found.annotations.items()) ^ set(wanted.annotations.items())
    return sorted({key for key, _ in differ if not key.startswith(_OURS)})


def _keys(noted: Collection[str], prefix: str) -> set[str]:
    return {entry.removeprefix(prefix) for entry in noted if entry.startswith(prefix)}


def _without(found: Mapping[str, str], keys: Collection[str]) -> dict[str, str]:
    return {key: value for key, value in found.items() if key not in keys}
