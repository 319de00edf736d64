"""Labels and annotations that a token or a code wants on its Secret, and taking back those that it no longer wants."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from deplite.resources.secrettemplate import SecretTemplate

TEMPLATE_ANNOTATION = "deplite.io/secret-template"
"""On a minted Secret: which of its labels and annotations came from `spec.secretTemplate`, as JSON."""


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
    earlier = _earlier(found.annotations)
    labels = _without(found.labels, earlier.get("labels", ())) | template.labels | dict(owner)
    annotations = _without(found.annotations, (TEMPLATE_ANNOTATION, *earlier.get("annotations", ())))
    annotations |= template.annotations
    if wanted := {name: sorted(said) for name, said in _said(template).items() if said}:
        annotations[TEMPLATE_ANNOTATION] = json.dumps(wanted, sort_keys=True)
    return Marks(labels=labels, annotations=annotations)


def _said(template: SecretTemplate) -> dict[str, dict[str, str]]:
    return {"labels": template.labels, "annotations": template.annotations}


def _earlier(annotations: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the keys of the template before this one; whatever somebody else wrote there names none."""
    try:
        noted = json.loads(annotations.get(TEMPLATE_ANNOTATION, "{}"))
    except ValueError:
        return {}
    if not isinstance(noted, dict):
        return {}
    return {name: keys for name, keys in noted.items() if isinstance(keys, list)}


def _without(found: Mapping[str, str], keys: "list[str] | tuple[str, ...]") -> dict[str, str]:
    return {key: value for key, value in found.items() if key not in keys}
