"""Who calls, as the environment says it."""

import pytest

from deplite.client.caller import load_caller, load_person
from deplite.client.errors import CallerError

PERSON = {"DEPLITE_URL": "http://h:1/", "DEPLITE_ORG_ID": "org-demo", "DEPLITE_JWT": "a.b.c"}


def test_a_person() -> None:
    caller = load_caller(PERSON)
    assert (caller.url, caller.credential, caller.files) == ("http://h:1", "a.b.c", "/orgs/org-demo/files")
    assert "a.b.c" not in repr(caller)


def test_an_api_token_comes_first() -> None:
    caller = load_caller(PERSON | {"DEPLITE_API_TOKEN": "tk_x"})
    assert (caller.credential, caller.organization, caller.files) == ("tk_x", None, "/storage/files")


WRONG = {
    "DEPLITE_URL": PERSON | {"DEPLITE_URL": ""},
    "DEPLITE_URL to": PERSON | {"DEPLITE_URL": "h:1"},
    "DEPLITE_JWT": PERSON | {"DEPLITE_JWT": ""},
    "DEPLITE_ORG_ID": PERSON | {"DEPLITE_ORG_ID": ""},
    "DEPLITE_JWT is not": PERSON | {"DEPLITE_JWT": '"a b"'},
    "DEPLITE_ORG_ID is not": PERSON | {"DEPLITE_ORG_ID": "org/../x"},
    "DEPLITE_API_TOKEN is not": PERSON | {"DEPLITE_API_TOKEN": "tk_\n"},
}


@pytest.mark.parametrize("said", WRONG)
def test_what_is_missing_or_wrong_is_named(said: str) -> None:
    with pytest.raises(CallerError, match=said):
        load_caller(WRONG[said])


def test_a_person_is_a_person_also_where_a_token_is_set() -> None:
    caller = load_person(PERSON | {"DEPLITE_API_TOKEN": "tk_x"})
    assert (caller.credential, caller.organization) == ("a.b.c", "org-demo")
    with pytest.raises(CallerError, match=r"DEPLITE_JWT \("):
        load_person({"DEPLITE_URL": "http://h:1", "DEPLITE_API_TOKEN": "tk_x"})
