"""Labels and annotations of a minted Secret: as the template says, nothing of an earlier one, all else as it is."""

import pytest

from deplite.resources.secrettemplate import SecretTemplate
from deplite_operator.policies.secrettemplate import TEMPLATE_ANNOTATION, Marks, changed, marked

OWNER = {"deplite.io/minted-for": "tok-a"}
TEAM = SecretTemplate(labels={"team": "shop"}, annotations={"reflect": "ci"})


def test_a_new_secret_has_what_is_said_and_notes_it() -> None:
    found = marked(Marks(), TEAM, OWNER)
    assert found.labels == OWNER | {"team": "shop"}
    assert found.annotations == {
        "reflect": "ci",
        TEMPLATE_ANNOTATION: "annotation:reflect,label:team",
    }


@pytest.mark.parametrize("template", [TEAM, SecretTemplate(), SecretTemplate(labels={"a": "b"})])
def test_what_is_settled_stays_as_it_is(template: SecretTemplate) -> None:
    found = marked(Marks(labels={"own": "x"}, annotations={"own": "y"}), template, OWNER)
    assert marked(found, template, OWNER) == found


def test_what_somebody_changed_is_put_right_and_what_they_added_stays() -> None:
    found = marked(Marks(), TEAM, OWNER)
    changed = Marks(labels={"team": "other", "own": "x"}, annotations=dict(found.annotations) | {"own": "y"})
    again = marked(changed, TEAM, OWNER)
    assert again.labels == OWNER | {"team": "shop", "own": "x"}
    assert again.annotations == dict(found.annotations) | {"own": "y"}


def test_what_is_taken_out_of_the_template_goes() -> None:
    found = marked(Marks(labels={"own": "x"}), TEAM, OWNER)
    assert marked(found, SecretTemplate(labels={"a": "b"}), OWNER).labels == OWNER | {"own": "x", "a": "b"}
    assert marked(found, SecretTemplate(), OWNER) == Marks(labels=OWNER | {"own": "x"})


@pytest.mark.parametrize("noted", ["", "team", "[" * 100_000, '{"labels": ["team"]}', ",,:", "annotation:team"])
def test_a_note_that_somebody_garbled_takes_nothing_away(noted: str) -> None:
    found = marked(Marks(labels={"team": "x"}, annotations={TEMPLATE_ANNOTATION: noted}), SecretTemplate(), OWNER)
    assert found == Marks(labels=OWNER | {"team": "x"})


def test_what_a_template_would_change_is_named_without_ours() -> None:
    found = marked(Marks(labels={"own": "x"}), TEAM, OWNER)
    other = SecretTemplate(labels={"team": "other", "a": "b"})
    assert changed(found, marked(found, other, OWNER)) == ["a", "reflect", "team"]
    assert changed(found, found) == []
