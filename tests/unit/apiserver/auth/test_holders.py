"""Of several objects that hold one credential, the oldest is meant, whatever comes, goes, or came first."""

import itertools
import logging
from typing import Any, cast

import pytest

from deplite.kube.client import KubeClient
from deplite.resources import ApiToken, EnrollmentToken
from deplite.resources.credentials import mint
from deplite_apiserver.auth.enrollment import verify_code
from deplite_apiserver.caches import Caches
from deplite_apiserver.errors import InvalidEnrollTokenError
from deplite_apiserver.settings import Waits

SHARED, OLD, NEW = "a" * 64, "b" * 64, "c" * 64
CODE = mint("enr")
versions = itertools.count(1)


class Nobody:
    """An API server that nothing may be asked of."""


@pytest.fixture
def caches() -> Caches:
    made = Caches(cast(KubeClient, Nobody()), Waits())
    made.tokens.synced = made.enrollments.synced = True
    return made


def metadata(org: str, second: int, uid: str = "", **more: Any) -> dict[str, Any]:
    return {
        "namespace": org,
        "name": "ci",
        "uid": uid or org,
        "resourceVersion": str(next(versions)),
        "creationTimestamp": f"2026-05-31T12:00:{second:02}Z",
    } | more


def token(org: str, second: int, *hashes: str, uid: str = "") -> ApiToken:
    spec = {"grants": [{"type": "trigger", "triggers": ["deploy"]}]}
    status = {"hashes": [{"sha256": one, "prefix": "tk_a"} for one in hashes]}
    return ApiToken.model_validate({"metadata": metadata(org, second, uid), "spec": spec, "status": status})


def code(org: str, second: int, **more: Any) -> EnrollmentToken:
    body = {"metadata": metadata(org, second, **more), "status": {"hash": CODE.sha256, "prefix": CODE.prefix}}
    return EnrollmentToken.model_validate(body)


def meant(caches: Caches, sha256: str = SHARED) -> str | None:
    found = caches.token_holders.oldest(sha256)
    return found.namespace if found else None


@pytest.mark.parametrize("order", list(itertools.permutations(("org-a", "org-b", "org-c"))))
def test_the_oldest_holder_is_meant_in_whatever_order_they_are_heard_of(caches: Caches, order: tuple[str, ...]) -> None:
    seconds = {"org-a": 1, "org-b": 2, "org-c": 3}
    for org in order:
        caches.tokens.note(token(org, seconds[org], SHARED))
    assert meant(caches) == "org-a"


@pytest.mark.parametrize("order", [("org-a", "org-b"), ("org-b", "org-a")])
def test_of_two_made_in_one_second_the_uid_decides(caches: Caches, order: tuple[str, ...]) -> None:
    uids = {"org-a": "2", "org-b": "1"}
    for org in order:
        caches.tokens.note(token(org, 1, SHARED, uid=uids[org]))
    assert meant(caches) == "org-b"


def test_a_younger_holder_that_changes_or_goes_takes_nothing_with_it(caches: Caches) -> None:
    caches.tokens.note(token("org-a", 1, SHARED))
    caches.tokens.note(token("org-b", 2, SHARED))
    caches.tokens.note(token("org-b", 2, OLD))
    assert (meant(caches), meant(caches, OLD)) == ("org-a", "org-b")
    caches.tokens.note(token("org-b", 2, SHARED))
    caches.tokens.forget("org-b", "ci")
    assert (meant(caches), meant(caches, OLD)) == ("org-a", None)
    caches.tokens.forget("org-a", "ci")
    assert meant(caches) is None


def test_a_token_is_found_under_each_of_its_hashes_until_that_is_rotated_away(caches: Caches) -> None:
    caches.tokens.note(token("org-a", 1, OLD, NEW))
    assert (meant(caches, OLD), meant(caches, NEW)) == ("org-a", "org-a")
    caches.tokens.note(token("org-a", 1, NEW))
    assert (meant(caches, OLD), meant(caches, NEW)) == (None, "org-a")


def test_before_all_are_listed_nobody_is_meant(caches: Caches) -> None:
    caches.tokens.synced = False
    caches.tokens.note(token("org-b", 2, SHARED))
    assert meant(caches) is None


@pytest.mark.parametrize("order", [("org-a", "org-b"), ("org-b", "org-a")])
async def test_a_code_is_the_oldest_ones_and_nobodys_while_that_is_being_deleted(
    caches: Caches, order: tuple[str, ...]
) -> None:
    for org in order:
        caches.enrollments.note(code(org, {"org-a": 1, "org-b": 2}[org]))
    assert (await verify_code(caches, CODE.plain)).enrollment.namespace == "org-a"
    caches.enrollments.note(code("org-a", 1, deletionTimestamp="2026-05-31T13:00:00Z"))
    with pytest.raises(InvalidEnrollTokenError):
        await verify_code(caches, CODE.plain)


def test_it_is_warned_once_of_each_further_holder_by_names_alone(
    caches: Caches, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        caches.tokens.note(token("org-b", 2, SHARED))
        assert not caplog.records
        caches.tokens.note(token("org-a", 1, SHARED))
        caches.tokens.note(token("org-a", 1, SHARED))
        caches.enrollments.note(code("org-a", 1))
        caches.enrollments.note(code("org-b", 2))
    warned = [record.getMessage() for record in caplog.records]
    assert [text[: text.index(":")] for text in warned] == ["apitokens", "enrollmenttokens"]
    assert [text.rpartition(" ")[2] for text in warned] == ["org-a/ci", "org-a/ci"]
    assert "org-b/ci" in warned[1]
    assert not [text for text in warned if SHARED in text or CODE.sha256 in text or CODE.plain in text]
